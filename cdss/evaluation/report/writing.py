"""How the report writes numbers, effects and tables in its language; tables and paragraphs escape their texts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import Literal, cast, get_args

import yaml

from cdss.evaluation.analysis import Effect
from reference_db.errors import InvalidInput

Language = Literal["en", "fr"]


def report_language(name: str) -> Language:
    """Return a language that reports are written in.

    Raises
    ------
    InvalidInput
        If they are not.
    """
    if name not in get_args(Language):
        raise InvalidInput.of("language", f"there are no reports in {name!r}", ", ".join(get_args(Language)))
    return cast("Language", name)


@cache
def catalogues() -> Mapping[str, Mapping[str, str]]:
    """Return the texts of every language, and the phrases of the analysis in French under ``phrases``."""
    text = resources.files("cdss.evaluation.report").joinpath("text.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = yaml.safe_load(text)
    return loaded


@dataclass(frozen=True, slots=True)
class ReportWords:
    """The words of a report in one language; none of them is escaped."""

    language: Language

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its placeholders filled."""
        return catalogues()[self.language][key].format(**values)

    def phrase(self, english: str) -> str:
        """Return what the analysis or the baseline table wrote, in the language of the report."""
        if self.language == "en":
            return english
        said = english
        for phrase, translated in catalogues()["phrases"].items():
            said = re.sub(rf"(?<!\w){re.escape(phrase)}(?!\w)", translated, said)
        return self.decimals(said)

    def decimals(self, text: str) -> str:
        """Return a text with the decimal mark of the language."""
        return re.sub(r"(?<=\d)\.(?=\d)", ",", text) if self.language == "fr" else text

    def number(self, value: float, decimals: int = 2) -> str:
        """Return a number, or a dash where there is none."""
        return self.decimals(f"{value:.{decimals}f}") if math.isfinite(value) else "–"

    def p_value(self, p: float) -> str:
        """Return a p-value the way journals print it."""
        if not math.isfinite(p):
            return "–"
        return self.decimals("<0.001" if p < 0.001 else f"{p:.3f}")

    def p_relation(self, p: float) -> str:
        """Return a p-value as it stands in a sentence after its letter: equal to, or below."""
        value = self.p_value(p)
        return f"< {value.removeprefix('<')}" if value.startswith("<") else f"= {value}"

    def effect(self, effect: Effect, *, alpha: float) -> str:
        """Return an effect with its interval."""
        if not math.isfinite(effect.value):
            return self("not_estimated", notes="; ".join(map(self.phrase, effect.notes)))
        return self(
            "effect",
            scale=self.phrase(effect.scale),
            value=self.number(effect.value),
            level=self.decimals(f"{100 * (1 - alpha):g}"),
            lower=self.number(effect.lower),
            upper=self.number(effect.upper),
        )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str) -> str:
    """Return an HTML table; every cell is escaped."""
    top = "".join(f'<th scope="col">{escape(str(cell))}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def paragraph(text: str) -> str:
    """Return a paragraph, escaped."""
    return f"<p>{escape(text)}</p>"
