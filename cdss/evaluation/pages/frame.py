"""What every page of the evaluation shares: words of a language, frame, small pieces of HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import yaml

LANGUAGES = ("en", "fr")

_STYLE = """body{font:17px/1.55 system-ui,sans-serif;max-width:54rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
fieldset{border:1px solid #8893a0;border-radius:6px;margin:1rem 0;padding:.6rem 1rem}legend{font-weight:600}
label{margin-right:1rem;white-space:nowrap}.line{display:block;margin:.5rem 0;white-space:normal}
input,select,button{font:inherit;padding:.25rem .5rem}button{background:#0b5cad;color:#fff;border:0;border-radius:4px}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;border-bottom:1px solid #ccd3da}
.problem{background:#fde8e8;padding:.6rem;white-space:pre-line}.done{background:#e3f4e6;padding:.6rem}
details{margin:1rem 0}
.small{font-size:.9rem;color:#444}td{overflow-wrap:anywhere}
textarea{font:14px/1.4 ui-monospace,monospace;width:100%;box-sizing:border-box;min-height:14rem}
*:focus-visible{outline:3px solid #d55e00;outline-offset:2px}"""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return a text, escaped, its placeholders filled."""
        return escape(self.texts[key].strip().format(**values))

    @property
    def other(self) -> str:
        """The other language."""
        return next(language for language in LANGUAGES if language != self.language)


@cache
def catalogues() -> Mapping[str, Mapping[str, str]]:
    """Return the texts of every language."""
    text = resources.files("cdss.evaluation.pages").joinpath("text.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return {language: {key: str(value) for key, value in texts.items()} for language, texts in loaded.items()}


def words(language: str) -> Words:
    """Return the words of a language; English for one that is not known."""
    known = language if language in LANGUAGES else "en"
    return Words(known, catalogues()[known])


def page(say: Words, body: str, *, path: str, problem: str = "", done: str = "") -> str:
    """Return a whole page.

    Parameters
    ----------
    say : Words
    body : str
        HTML.
    path : str
        Address of the page, for the link to the other language.
    problem : str
        Why something could not be done, in the language of the page; escaped here.
    done : str
        What was done; escaped already.
    """
    reason = f"{say('refused')} {escape(problem)}"
    alert = f'<p class="problem" role="alert">{reason}</p>' if problem else ""
    alert += f'<p class="done" role="status">{done}</p>' if done else ""
    other = f'<a href="{escape(path)}?lang={say.other}" hreflang="{say.other}">{say("other_language")}</a>'
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{say("title")}</title>'
        f"<style>{_STYLE}</style>"
    )
    main = f'<p class="small">{say("notice")} {other}</p><h1>{say("title")}</h1>{alert}{body}'
    return f'<!doctype html><html lang="{say.language}"><head>{head}</head><body><main>{main}</main></body></html>'


def form(action: str, inner: str, button: str, *, say: Words) -> str:
    """Return a form that comes back in the same language; `inner` is HTML, `button` escaped text."""
    hidden = f'<input type="hidden" name="lang" value="{say.language}">'
    return f'<form method="post" action="{escape(action)}">{hidden}{inner}<p><button>{button}</button></p></form>'


def choice(name: str, options: Iterable[tuple[str, str]], *, label: str, required: bool = True) -> str:
    """Return a labelled list to choose from; values and texts are escaped here, `label` already is.

    Nothing is chosen beforehand: what nobody chose must not be recorded.
    """
    must = " required" if required else ""
    inner = '<option value="">–</option>' + "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options
    )
    return f'<label class="line">{label} <select name="{escape(name)}"{must}>{inner}</select></label>'


def named(say: Words, term: str) -> str:
    """Return what a coded term is called in the language of the page, not escaped."""
    return say.texts.get(f"term {term}", term)


def rows(pairs: Iterable[tuple[str, object]]) -> str:
    """Return a table of two columns; the first is HTML, the second escaped here."""
    lines = "".join(f'<tr><th scope="row">{name}</th><td>{escape(str(value))}</td></tr>' for name, value in pairs)
    return f"<table>{lines}</table>"
