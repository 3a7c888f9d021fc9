"""Every word the viewer says, in English and in French.

The two catalogues beside this file have the same keys and the same placeholders (a test compares them). `Text` reads
one of them and formats numbers as clinicians of that language read them: EDSS to one decimal, probabilities in whole
percents, counts with a thousands separator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import yaml


class Language(StrEnum):
    """A language the viewer is complete in."""

    ENGLISH = "en"
    FRENCH = "fr"


NOT_SHOWN = "–"
"""Stands where a number may not be shown or was not observed."""


@dataclass(frozen=True, slots=True)
class Text:
    """The words and number formats of one language.

    Parameters
    ----------
    language : Language
    words : mapping of str to str
        Dotted key to sentence; placeholders are those of `str.format`.
    """

    language: Language
    words: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence of a key, its placeholders filled.

        Raises
        ------
        KeyError
            When the catalogue has no such key: a mistake of the programmer, found by the tests.
        """
        sentence = self.words[key]
        return sentence.format(**values) if values else sentence

    @property
    def separators(self) -> str:
        """Decimal mark and thousands separator, as Plotly's ``layout.separators`` wants them."""
        return ",\u202f" if self.language is Language.FRENCH else ".,"

    def number(self, value: float, decimals: int = 0) -> str:
        """Return a number with the language's decimal mark and thousands separator.

        >>> catalogue(Language.FRENCH).number(-1234.56, 1)
        '−1\u202f234,6'
        """
        if not math.isfinite(value):
            return NOT_SHOWN
        text = f"{abs(value):,.{decimals}f}"
        negative = value < 0 and any(digit in "123456789" for digit in text)
        if self.language is Language.FRENCH:
            text = text.replace(",", "\u202f").replace(".", ",")
        return f"\N{MINUS SIGN}{text}" if negative else text

    def signed(self, value: float, decimals: int = 0) -> str:
        """Return a difference, its sign always shown unless it rounds to zero."""
        text = self.number(value, decimals)
        rounds_to_zero = not any(digit in "123456789" for digit in text)
        return text if value <= 0 or rounds_to_zero or not math.isfinite(value) else f"+{text}"

    def percent(self, share: float) -> str:
        """Return a share from 0 to 1 in whole percents; what is not quite nothing or all says so.

        >>> catalogue(Language.ENGLISH).percent(0.004)
        '<1%'
        """
        if not math.isfinite(share):
            return NOT_SHOWN
        space = "\u202f" if self.language is Language.FRENCH else ""
        if 0 < share < 0.005:
            return f"<1{space}%"
        if 0.995 < share < 1:
            return f">99{space}%"
        return f"{share * 100:.0f}{space}%"

    def feature(self, name: str) -> str:
        """Return the name of a feature as it begins a line."""
        words = self(f"feature.{name}")
        return words[:1].upper() + words[1:]

    def interval(self, lower: str, upper: str) -> str:
        """Return an interval of two numbers already written."""
        if NOT_SHOWN in (lower, upper):
            return ""
        return self("number.interval", lower=lower, upper=upper)


def _flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


@cache
def catalogue(language: Language) -> Text:
    """Return the words of a language, read once."""
    source = resources.files("viewer.text").joinpath(f"{language.value}.yaml").read_text(encoding="utf-8")
    return Text(language=language, words=_flatten(yaml.safe_load(source)))
