"""The projection on one printable page, as PDF, in English or French: with what was read and every caveat."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from cdss.ehr.cards import COLUMNS, EDSS, MONTHS, reading_of
from cdss.ehr.mapping_report import Use
from cdss.ehr.patient_record import RecordReading
from projection.reading import Reading
from projection.result import ClassProjection, Projection
from reference_db.small_cells import SMALL_CELL

if TYPE_CHECKING:
    from fpdf import FPDF

    from viewer.text import Text

_WIDTHS = (34, 14, 28, 28, 26)
_DECIMALS = {"age": 0, "edss": 1, "years_since_onset": 0}
_PLAIN = str.maketrans({"\u202f": "\u00a0", "’": "'", "–": "-", "−": "-", "≥": ">", "…": "...", "“": '"', "”": '"'})


@cache
def document_words(language: str) -> Mapping[str, Any]:
    """Return the words of a language."""
    catalogue: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
        resources.files("cdss.ehr").joinpath("document.yaml").read_text(encoding="utf-8")
    )
    return catalogue[language]


def projection_pdf(projection: Projection, reading: RecordReading, *, now: datetime, language: str = "en") -> bytes:
    """Return the document.

    Parameters
    ----------
    projection : Projection
    reading : RecordReading
    now : datetime
        Printed, and the date of the file.
    language : str
        One of `cdss.api.language.LANGUAGES`.
    """
    from viewer.text import Language, catalogue

    said = document_words(language)
    page = _page(said, now, language)

    def line(text: str, *, size: int = 10, style: str = "", height: int = 6) -> None:
        page.set_font("Helvetica", style, size)
        page.multi_cell(0, height, _latin(text), align="L", new_x="LMARGIN", new_y="NEXT")

    line(said["title"], size=15, style="B", height=9)
    line(said["caveats"][0], style="B")
    line(said["made"].format(date=f"{now:%Y-%m-%d}", release=projection.release))
    for text in _read(reading, said):
        line(text)
    page.ln(3)
    page.set_font("Helvetica", size=9)
    with page.table(col_widths=_WIDTHS, text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT", "RIGHT")) as table:
        table.row([_latin(name) for name in said["columns"]])
        for cells in _rows(projection, said, catalogue(Language(language))):
            table.row([_latin(cell) for cell in cells])
    page.ln(3)
    for text in (said["explained"].format(months=MONTHS), *_shorter(projection, said), *said["caveats"][1:]):
        line(text)
    return bytes(page.output())


def _page(said: Mapping[str, Any], now: datetime, language: str) -> FPDF:
    from fpdf import FPDF

    class Page(FPDF):
        def footer(self) -> None:
            self.set_y(-15)
            self.set_font("Helvetica", size=8)
            numbers = said["page"].format(page=self.page_no(), pages="{nb}")
            self.cell(0, 8, f"{numbers}. {_latin(said['caveats'][0])}", align="C")

    page = Page()
    page.set_creation_date(now)
    page.set_title(said["title"])
    page.set_lang(language)
    page.add_page()
    return page


def _read(reading: RecordReading, said: Mapping[str, Any]) -> list[str]:
    """Say what was read from the record, and what it does not tell."""
    document = reading.document
    known = [
        sentence.format(value=_value(name, document[name], said))
        for name, sentence in said["features"].items()
        if name in document
    ]
    unknown = [name for feature, name in said["names"].items() if feature not in document]
    doubtful = {one.feature for one in reading.report.findings if one.use is Use.AMBIGUOUS}
    reserved = [name for feature, name in said["names"].items() if feature in doubtful]
    lines = [said["read"].format(known=", ".join(known))]
    lines += [said["unknown"].format(features=", ".join(unknown))] if unknown else []
    return [*lines, said["reserved"].format(features=", ".join(reserved))] if reserved else lines


def _value(name: str, value: object, said: Mapping[str, Any]) -> str:
    if isinstance(value, int | float):
        return f"{value:.{_DECIMALS.get(name, 0)}f}".replace(".", said["decimal"])
    return str(said["values"].get(str(value), value))


def _rows(projection: Projection, said: Mapping[str, Any], text: Text) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for part in projection.classes:
        name = text(f"treatment.{part.treatment}")
        if part.refusal is not None or part.edss is None:
            rows.append((name, "-", said["refused"], "-", "-"))
            continue
        cells = [_cell(reading_of(part, column), said, percent=column != EDSS) for column in COLUMNS]
        rows.append((name, str(part.n), *cells))
    return rows


def _cell(reading: Reading | None, said: Mapping[str, Any], *, percent: bool) -> str:
    if reading is None:
        return str(said["not_known"])
    point = reading.estimate
    value, lower, upper = (
        f"{100 * number:.0f}" if percent else f"{number:.1f}".replace(".", said["decimal"])
        for number in (point.value, point.lower, point.upper)
    )
    whole = str(said["percent"].format(value=value)) if percent else value
    words = str(said["interval"].format(value=whole, lower=lower, upper=upper))
    return words if reading.month == MONTHS else f"{words} {said['at_month'].format(months=reading.month)}"


def _shorter(projection: Projection, said: Mapping[str, Any]) -> list[str]:
    """Say why some values of the table are of an earlier month or missing, where that is so."""
    answered: list[ClassProjection] = [one for one in projection.classes if one.refusal is None and one.edss]
    readings = [reading_of(part, column) for part in answered for column in COLUMNS]
    says = [said["earlier"]] if any(one is not None and one.month < MONTHS for one in readings) else []
    says += [said["withheld"]] if None in readings else []
    return [str(words).format(n=SMALL_CELL, months=MONTHS) for words in says]


def _latin(text: str) -> str:
    """Keep to the characters that every PDF reader brings a font for."""
    return text.translate(_PLAIN).encode("latin-1", "replace").decode("latin-1")
