"""Reading FHIR JSON as it is met: null, missing, doubled or of the wrong type, an element is simply not there.

Records come from many generators and are often not valid FHIR. Validating them whole would refuse a patient for a
flaw in an element that nobody reads, so each element that matters is read defensively instead.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

Json = Mapping[str, Any]

LONGEST_TEXT = 500
"""Characters of a text that are read; what names a finding comes first."""

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Coding:
    """A code with its system; either may be empty."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, and whether the record names it or only its month or year (then the middle is taken).

    Attributes
    ----------
    day : date
    exact : bool
    begins : date
        First day that the record may mean.
    """

    day: date
    exact: bool
    begins: date

    def by(self, today: date) -> date:
        """Return the day; today where the month or year goes on and its middle is still to come."""
        return today if self.begins <= today < self.day and not self.exact else self.day


def objects(value: object) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a list, or the object itself; anything else is passed over."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def first(value: object) -> dict[str, Any]:
    """Return the first JSON object of a list, or the object itself; empty when there is none."""
    return next(objects(value), {})


def text(value: object) -> str:
    """Return a string without surrounding blanks; empty when it is none."""
    return value.strip() if isinstance(value, str) else ""


def number(value: object) -> float | None:
    """Return a finite number, also one written as a string; None when it is none.

    >>> number("3,5"), number(True), number("high")
    (3.5, None, None)
    """
    if isinstance(value, str) and len(value) <= 20:
        try:
            value = float(value.strip().replace(",", "."))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def moment(value: object) -> Moment | None:
    """Return the day of a FHIR date, dateTime or instant; None when it is none.

    >>> moment("2024-05").day.isoformat()
    '2024-05-15'
    """
    match = _DATE.fullmatch(text(value))
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        middle = date(int(year), int(month or 7), int(day or (15 if month else 1)))
        return Moment(middle, exact=day is not None, begins=date(int(year), int(month or 1), int(day or 1)))
    except ValueError:
        return None


def codings(concept: object) -> tuple[Coding, ...]:
    """Return the codings of a CodeableConcept that hold a code or a display."""
    found = (
        Coding(text(coding.get("system")), text(coding.get("code")), text(coding.get("display")))
        for part in objects(concept)
        for coding in objects(part.get("coding"))
    )
    return tuple(coding for coding in found if coding.code or coding.display)


def words(concept: object, *, without: frozenset[tuple[str, str]] = frozenset()) -> str:
    """Return the text of a CodeableConcept and the displays of its codings, folded, joined by `` | ``.

    Parameters
    ----------
    concept : object
        A CodeableConcept, a list of them, or anything else.
    without : frozenset of (system, code)
        Codings whose display must not be read.
    """
    parts = [text(part.get("text")) for part in objects(concept)]
    parts += [coding.display for coding in codings(concept) if (coding.system, coding.code) not in without]
    return " | ".join(folded(part) for part in parts if part)


def folded(value: str) -> str:
    """Return a text in lower case, without accents, its blanks and dashes as single spaces.

    >>> folded("Sclérose  en plaques récurrente-rémittente")
    'sclerose en plaques recurrente remittente'
    """
    plain = value[:LONGEST_TEXT]
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return re.sub(r"[\s\-_‐‑–—]+", " ", plain).casefold().strip()


def name_of(resource: Json) -> str:
    """Return ``Type/id`` of a resource, or its type alone."""
    kind, identifier = text(resource.get("resourceType")), text(resource.get("id"))
    return f"{kind}/{identifier}" if identifier else kind or "resource"


def is_missing(element: Json) -> bool:
    """Tell whether an element says that its value is absent, in its own words or by the extension."""
    if first(element.get("dataAbsentReason")):
        return True
    return any("data-absent-reason" in text(item.get("url")) for item in objects(element.get("extension")))
