"""The page of stewards and managers as HTML: plain forms, no script, in English or French.

What the checks found is said in the language of the page. Why something is refused, and which target of privacy was
missed, is told in the words of the service, which are English; on a French page these are marked as such, for those
who listen to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources

import yaml

from cdss.exports.request import ExportRequest
from cdss.exports.states import TRANSITIONS, By
from cdss.security.roles import Caller, Permission, Role
from reference_db.release.export import SHAPES, Purpose

ADDRESS = "/exports"

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ccd3da;vertical-align:top}
td form{display:inline}fieldset{border:1px solid #8893a0;margin:1rem 0;min-width:0}legend{font-weight:600}
label{display:block;margin:.4rem 0}
input,select,button{font:inherit;padding:.25rem .5rem;max-width:100%;box-sizing:border-box}
button{background:#0b5cad;color:#fff;border:0;border-radius:4px}
.quarantined{background:#fff0e0}.problem{background:#fde8e8;padding:.6rem}.failed{font-weight:600}
.wide{overflow-x:auto}*:focus-visible{outline:3px solid #d55e00;outline-offset:2px}"""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return a text, escaped, its placeholders filled."""
        return escape(self.texts[key].format(**values))

    def term(self, kind: str, value: str) -> str:
        """Return what a coded term is called, escaped; itself when it has no other name."""
        return escape(self.texts.get(f"{kind} {value}", value))

    def ours(self, text: str) -> str:
        """Return a sentence of the service, escaped and marked as English where the page is not."""
        return escape(text) if self.language == "en" else f'<span lang="en">{escape(text)}</span>'

    def found(self, text: str) -> str:
        """Return what a check found, escaped, in the language of the page where it has words for it."""
        for written, translated in found_in_french() if self.language == "fr" else ():
            if match := written.fullmatch(text):
                return escape(translated.format(*match.groups()))
        return self.ours(text)


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Return the texts of every language, and what checks find in French under ``found``."""
    text = resources.files("cdss.exports").joinpath("page.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return loaded


def words(language: str) -> Words:
    """Return the words of a language; English for one that is not known."""
    known = language if language in ("en", "fr") else "en"
    return Words(known, catalogue()[known])


@cache
def found_in_french() -> Sequence[tuple[re.Pattern[str], str]]:
    """Return what checks write, as a pattern, and how it is said in French."""
    return [
        (re.compile("(.+?)".join(map(re.escape, english.split("{}")))), french)
        for english, french in catalogue()["found"].items()
    ]


def page(say: Words, body: str, *, problem: str = "") -> str:
    """Return the whole page.

    Parameters
    ----------
    say : Words
    body : str
        HTML.
    problem : str
        What could not be done, in the words of the service; escaped here.
    """
    alert = f'<p class="problem" role="alert">{say("refused")} {say.ours(problem)}</p>' if problem else ""
    other = "fr" if say.language == "en" else "en"
    switch = f'<a href="{ADDRESS}?lang={other}" hreflang="{other}" lang="{other}">{say("other_language")}</a>'
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{say("title")}</title>'
        f"<style>{_STYLE}</style>"
    )
    end = f'<p>{say("notice")} <a href="/">{say("back")}</a></p>'
    main = f"<p>{switch}</p><h1>{say('title')}</h1>{alert}{body}{end}"
    return f'<!doctype html><html lang="{say.language}"><head>{head}</head><body><main>{main}</main></body></html>'


def who(say: Words, asking: Caller, *, declare: bool) -> str:
    """Return who is asking and, where no login is required, the form to say so."""
    known = f"<p>{say('you_are', name=asking.identifier, role=_plain(say, asking))}</p>" if asking.identifier else ""
    if not declare:
        return known
    roles = "".join(
        f'<option value="{role}">{say.term("role", role)}</option>' for role in (Role.STEWARD, Role.MANAGER)
    )
    return known + _form(
        say,
        "session",
        f"<fieldset><legend>{say('who')}</legend>"
        f'<label>{say("name")} <input name="name" required maxlength="80" autocomplete="username"></label>'
        f'<label>{say("role")} <select name="role">{roles}</select></label>'
        f"<button>{say('that_is_me')}</button></fieldset>",
    )


def wish(say: Words, release: str) -> str:
    """Return the form of a request."""
    purposes = "".join(
        f'<option value="{each}">{say.term("purpose", each)}: {say.term("shape", SHAPES[each])}</option>'
        for each in Purpose
    )
    return _form(
        say,
        "request",
        f"<fieldset><legend>{say('wish')}</legend>"
        f'<label>{say("purpose")} <select name="purpose">{purposes}</select></label>'
        f'<label>{say("release")} <input name="release" required maxlength="80" value="{escape(release)}"></label>'
        f'<label>{say("size")} <input name="size" inputmode="numeric" maxlength="8"></label>'
        f'<label>{say("recipient")} <input name="recipient" required maxlength="200"></label>'
        f'<label>{say("reason")} <input name="reason" required maxlength="1000" size="50"></label>'
        f"<button>{say('request')}</button></fieldset>",
    )


def requests(say: Words, filed: Sequence[ExportRequest] | None, asking: Caller) -> str:
    """Return the table of requests; None when they cannot be read now."""
    title = f"<h2>{say('requests')}</h2>"
    if not filed:
        return f"{title}<p>{say('unreadable' if filed is None else 'none_yet')}</p>"
    heads = ("export", "state", "purpose", "asked_by", "checks", "actions")
    return title + _table(map(say, heads), (_row(say, each, asking) for each in filed))


def rules(say: Words) -> str:
    """Return the states and transitions, as a table to unfold."""
    lines = [
        f"<tr><td>{say.term('verb', move.verb)}</td>"
        f"<td>{', '.join(say.term('state', state) for state in move.before)}</td>"
        f"<td>{say.term('state', move.after)}</td><td>{say.term('by', move.by)}</td></tr>"
        for move in TRANSITIONS
    ]
    requested = (
        f"<tr><td>{say('verb request')}</td><td>{say('nothing')}</td><td>{say('state requested')}</td>"
        f"<td>{say('by the requester')}</td></tr>"
    )
    table = _table(map(say, ("what", "from", "to", "by")), [requested, *lines])
    return f"<details><summary>{say('rules')}</summary>{table}</details>"


def _plain(say: Words, asking: Caller) -> str:
    return say.texts[f"role {asking.role}"]


def _form(say: Words, action: str, inner: str) -> str:
    hidden = f'<input type="hidden" name="lang" value="{say.language}">'
    return f'<form method="post" action="{ADDRESS}/{action}">{hidden}{inner}</form>'


def _table(heads: Iterable[str], rows: Iterable[str]) -> str:
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join(rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(say: Words, filed: ExportRequest, asking: Caller) -> str:
    size = "" if filed.size is None else f", {say('size_of', size=filed.size)}"
    cells = (
        escape(filed.release),
        say.term("state", filed.state),
        f"{say.term('purpose', filed.purpose)}{size}",
        f"{escape(filed.requester)}, {escape(filed.recipient)}: {escape(filed.reason)}",
        "<br>".join(_check(say, check) for check in filed.checks),
        "".join(_button(say, verb, filed.identifier) for verb in _verbs(filed, asking)),
    )
    name = f'<th scope="row">{escape(filed.identifier)}<br>{cells[0]}</th>'
    rest = "".join(f"<td>{cell}</td>" for cell in cells[1:])
    return f'<tr class="{escape(filed.state)}">{name}{rest}</tr>'


def _check(say: Words, check: Mapping[str, object]) -> str:
    name, detail = say.term("check", str(check["name"])), say.found(str(check["detail"]))
    if check["passed"]:
        return f"{name}: {say('passed')}, {detail}"
    return f'<span class="failed">{name}: {say("failed")}, {detail}</span>'


def _verbs(filed: ExportRequest, asking: Caller) -> list[str]:
    """Return what the caller may do with a request now."""
    own = filed.requester == asking.identifier
    return [
        move.verb
        for move in TRANSITIONS
        if move.permission is not None
        and asking.may(move.permission)
        and filed.state in {state.value for state in move.before}
        and (move.by is By.REQUESTER) == own
    ]


def _button(say: Words, verb: str, identifier: str) -> str:
    label = escape(f"{say.texts[f'verb {verb}']} {identifier}")
    why = ""
    if verb == "reject":
        asked = say("why_of", export=identifier)
        why = f'<input name="comment" placeholder="{say("why")}" aria-label="{asked}" required maxlength="1000">'
    hidden = f'<input type="hidden" name="export" value="{escape(identifier)}">'
    return _form(say, verb, f'{hidden}{why}<button aria-label="{label}">{say.term("verb", verb)}</button>') + " "


def permitted(asking: Caller, permission: Permission) -> bool:
    """Tell whether somebody in particular is asking who has a permission."""
    return bool(asking.identifier) and asking.may(permission)
