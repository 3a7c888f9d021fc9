"""The documentation of the interface as one page: rendered here, loading nothing from elsewhere, without a script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}: HTTP interface</title>
<style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}}
summary{{cursor:pointer;padding:.3rem 0}}details{{border-bottom:1px solid #ccd3da;padding:.2rem 0}}
code,pre{{font:14px/1.5 ui-monospace,monospace;background:#f3f5f7}}pre{{padding:.6rem;overflow:auto}}
table{{border-collapse:collapse;width:100%}}
th,td{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e4e8ec;vertical-align:top}}
.verb{{display:inline-block;min-width:4rem;font-weight:600}}
</style><main><h1>{title}</h1><p>{description}</p>
<p>Version {version}. <a href="/openapi.json">OpenAPI document</a> for programmes. <a href="/">Back</a></p>
{groups}</main></html>"""

_OTHERS = "others"


@router.get("/docs")
def documentation(request: Request) -> HTMLResponse:
    """Show every operation of the interface."""
    document = request.app.openapi()
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            name = (operation.get("tags") or [_OTHERS])[0]
            groups.setdefault(name, []).append(_operation(verb, path, operation, str(request.base_url)))
    rendered = "".join(f"<h2>{escape(name)}</h2>{''.join(found)}" for name, found in groups.items())
    info = document["info"]
    return HTMLResponse(
        _PAGE.format(
            title=escape(info["title"]),
            description=escape(info.get("description", "")),
            version=escape(info["version"]),
            groups=rendered,
        )
    )


def _operation(verb: str, path: str, operation: Mapping[str, Any], base: str) -> str:
    said = operation.get("description") or operation.get("summary", "")
    return (
        f'<details><summary><span class="verb">{verb.upper()}</span> <code>{escape(path)}</code> '
        f"{escape(said.splitlines()[0] if said else '')}</summary>"
        f"{_parameters(operation)}{_example(verb, path, operation, base)}{_responses(operation)}</details>"
    )


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}</td>"
        f"<td>{'yes' if each.get('required') else ''}</td><td>{escape(each.get('description', ''))}</td></tr>"
        for each in operation.get("parameters", [])
    )
    if not rows:
        return ""
    return f"<table><thead><tr><th>Parameter<th>In<th>Needed<th>What</tr></thead><tbody>{rows}</tbody></table>"


def _example(verb: str, path: str, operation: Mapping[str, Any], base: str) -> str:
    """Return a line for the shell that asks for it, with the first example of the body where there is one."""
    address = base.rstrip("/") + path
    content = operation.get("requestBody", {}).get("content", {})
    if verb == "get":
        return f"<pre>curl {escape(address)}</pre>"
    for kind, body in content.items():
        examples = body.get("examples") or {}
        value = next((each.get("value") for each in examples.values()), body.get("example"))
        if value is not None:
            text = json.dumps(value, ensure_ascii=False)
            line = f"curl {address} -H 'content-type: {kind}' -d '{text}'"
            return f"<pre>{escape(line)}</pre>"
        schema = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if schema:
            return f"<p>Body: <code>{escape(kind)}</code>, schema <code>{escape(schema)}</code>.</p>"
    return f"<pre>{escape(f'curl -X {verb.upper()} {address}')}</pre>"


def _responses(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(', '.join(found.get('content', {})))}</td>"
        f"<td>{escape(found.get('description', ''))}</td></tr>"
        for status, found in operation["responses"].items()
    )
    return f"<table><thead><tr><th>Answer<th>As<th>What</tr></thead><tbody>{rows}</tbody></table>"
