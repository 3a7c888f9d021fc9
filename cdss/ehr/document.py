"""The projection on one printable page, as PDF: for the record, with what was read from it and every caveat."""

from __future__ import annotations

from datetime import datetime

from cdss.ehr.cards import MONTHS, Point, at_month, record_in_words
from cdss.ehr.patient_record import RecordReading
from projection.result import Projection

_COLUMNS = ("Treatment class", "Patients", "Confirmed worsening", "Relapse", "Expected EDSS")
_WIDTHS = (34, 14, 28, 28, 26)


def projection_pdf(projection: Projection, reading: RecordReading, *, now: datetime) -> bytes:
    """Return the document.

    Parameters
    ----------
    projection : Projection
    reading : RecordReading
    now : datetime
        Printed, and the date of the file.
    """
    from fpdf import FPDF

    page = FPDF()
    page.set_creation_date(now)
    page.set_title("What became of similar patients under each treatment")
    page.set_lang("en")
    page.add_page()
    page.set_font("Helvetica", "B", 15)
    page.multi_cell(0, 9, "What became of similar patients under each treatment", new_x="LMARGIN", new_y="NEXT")
    page.set_font("Helvetica", size=10)
    page.multi_cell(0, 6, f"{now:%Y-%m-%d}. Release {projection.release}.", new_x="LMARGIN", new_y="NEXT")
    page.multi_cell(0, 6, _latin(f"Read from the record: {record_in_words(reading)}."), new_x="LMARGIN", new_y="NEXT")
    page.ln(3)
    page.set_font("Helvetica", size=9)
    with page.table(col_widths=_WIDTHS, text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT", "RIGHT")) as table:
        table.row(_COLUMNS)
        for cells in _rows(projection):
            table.row([_latin(cell) for cell in cells])
    page.ln(3)
    page.set_font("Helvetica", size=10)
    explained = f"At {MONTHS} months, with the 95 % interval. Classes are in a fixed order, never ranked."
    for line in (explained, *projection.caveats):
        page.multi_cell(0, 6, _latin(line), new_x="LMARGIN", new_y="NEXT")
    return bytes(page.output())


def _rows(projection: Projection) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for part in projection.classes:
        if part.refusal is not None or part.edss is None:
            rows.append((part.treatment, "-", "too few similar patients", "-", "-"))
            continue
        worsening = at_month(part.probabilities.get("worsening_24w"), MONTHS)
        relapse = at_month(part.probabilities.get("relapse"), MONTHS)
        edss = at_month(part.edss.expected, MONTHS)
        rows.append((part.treatment, str(part.n), _percent(worsening), _percent(relapse), _score(edss)))
    return rows


def _percent(point: Point | None) -> str:
    if point is None:
        return "not known"
    return f"{100 * point.value:.0f} % ({100 * point.lower:.0f} to {100 * point.upper:.0f})"


def _score(point: Point | None) -> str:
    return f"{point.value:.1f} ({point.lower:.1f} to {point.upper:.1f})" if point is not None else "not known"


def _latin(text: str) -> str:
    """Keep to the characters that every PDF reader brings a font for."""
    return text.encode("latin-1", "replace").decode("latin-1")
