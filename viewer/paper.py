"""The page to take home as a PDF file, made in memory for whoever asked and kept nowhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from projection.reading import latest_shown
from projection.result import ClassProjection, Projection
from reference_db.vocabulary import Treatment
from viewer.components.of_hundred import MONTH, OUTCOMES, reading_hint, share_in_words, share_of
from viewer.figures.style import LIGHT, style_of
from viewer.pages.patient import plain_name
from viewer.session import Session, past_visits
from viewer.text import NOT_SHOWN, Text

if TYPE_CHECKING:
    from fpdf import FPDF

MARGIN, WIDTH = 16.0, 178.0
"""Of an A4 sheet, in millimetres: its margin, and what is between the margins."""

COLUMNS = (58.0, 40.0, 40.0, 40.0)
ROW, HEAD, BELOW = 5.6, 4.0, 3.4
CHART_HEIGHT, CHART_LEFT, CHART_RIGHT = 58.0, 10.0, 34.0
_LATIN = str.maketrans({"\u202f": "\u00a0", "’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "−": "-", "œ": "oe"})


def summary_pdf(
    projection: Projection,
    session: Session,
    *,
    described: str,
    weights: str,
    caveats: Sequence[str],
    now: datetime,
    text: Text,
) -> bytes:
    """Return one page of A4.

    Parameters
    ----------
    projection : Projection
    session : Session
        With a form that can be used.
    described : str
        The patient in one line.
    weights : str
        What counted as similar, in words.
    caveats : sequence of str
        What the reader must know.
    now : datetime
        Printed, and the date of the file.
    text : Text
    """
    page = _page(text, now)
    shown = [one for one in projection.classes if one.treatment in session.shown]
    _line(page, text("patient.title"), size=16, style="B", height=8)
    date = now.strftime(text("take_home.date_format"))
    _line(page, text("take_home.made", date=date, release=projection.release), size=9, soft=True)
    page.ln(1.5)
    _line(page, described, size=10, style="B")
    _line(page, text("patient.who", n=text.number(projection.k)), size=10)
    page.ln(2)
    _line(page, text("take_home.table"), size=10, style="B")
    _table(page, shown, text)
    _line(page, reading_hint(shown, text), size=8.5, soft=True, height=4)
    page.ln(2)
    _line(page, text("take_home.course"), size=10, style="B")
    _chart(page, shown, past_visits(session.form), text)
    _line(page, text("take_home.know"), size=10, style="B")
    for caveat in caveats:
        _line(page, f"-  {caveat}", size=9, height=4.4)
    page.ln(2)
    _line(page, text("product.research"), size=8.5, style="B", height=4)
    counted = text("take_home.weights", weights=weights)
    _line(page, f"{counted[:1].upper()}{counted[1:]}", size=8, soft=True, height=3.8)
    return bytes(page.output())


def _page(text: Text, now: datetime) -> FPDF:
    from fpdf import FPDF

    page = FPDF(format="A4")
    page.set_margin(MARGIN)
    page.set_auto_page_break(auto=False)
    page.set_creation_date(now)
    page.set_title(_latin(text("patient.title")))
    page.set_lang(text.language.value)
    page.add_page()
    return page


def _line(page: FPDF, words: str, *, size: float, style: str = "", height: float = 5.0, soft: bool = False) -> None:
    page.set_font("Helvetica", style, size)
    page.set_text_color(*_rgb(LIGHT.soft_ink if soft else LIGHT.ink))
    page.multi_cell(0, height, _latin(words), align="L", new_x="LMARGIN", new_y="NEXT")


def _table(page: FPDF, shown: Sequence[ClassProjection], text: Text) -> None:
    heads = [text("table.treatment"), *(text(f"patient.outcome.{outcome}.column") for outcome in OUTCOMES)]
    page.set_font("Helvetica", size=9)
    page.set_text_color(*_rgb(LIGHT.soft_ink))
    top = page.get_y()
    for position, (width, head) in enumerate(zip(COLUMNS, heads, strict=True)):
        page.set_xy(MARGIN + sum(COLUMNS[:position]), top)
        page.multi_cell(width, HEAD, _latin(head), align="R" if position else "L", max_line_height=HEAD)
    page.set_xy(MARGIN, top + 2 * HEAD + 0.6)
    for one in sorted(shown, key=lambda one: one.treatment != Treatment.UNTREATED.value):
        page.set_draw_color(*_rgb(LIGHT.grid))
        page.set_line_width(0.2)
        page.line(MARGIN, page.get_y(), MARGIN + WIDTH, page.get_y())
        middle = page.get_y() + ROW / 2
        with _pen(page, one.treatment):
            page.line(MARGIN, middle, MARGIN + 10, middle)
        page.set_text_color(*_rgb(LIGHT.ink))
        page.set_font("Helvetica", "B", 9.5)
        page.set_x(MARGIN + 12)
        page.cell(COLUMNS[0] - 12, ROW, _latin(plain_name(one.treatment, text)))
        page.set_font("Helvetica", size=9.5)
        cells = [_share(one, outcome, text) for outcome in OUTCOMES]
        for width, (share, _) in zip(COLUMNS[1:], cells, strict=True):
            page.cell(width, ROW, _latin(share), align="R")
        page.ln(ROW)
        if any(after for _, after in cells):
            page.set_font("Helvetica", "I", 8)
            page.set_x(MARGIN + COLUMNS[0])
            for width, (_, after) in zip(COLUMNS[1:], cells, strict=True):
                page.cell(width, BELOW, _latin(after), align="R")
            page.ln(BELOW)
    page.ln(1)


def _share(one: ClassProjection, outcome: str, text: Text) -> tuple[str, str]:
    """Return a share with its range, and what stands below: its month where it is an earlier one."""
    share = share_of(one, outcome)
    if share is None:
        return NOT_SHOWN if one.refusal is None else text("patient.too_few_short"), ""
    words, likely, after = share_in_words(share, text)
    return f"{words}  ({likely})", after


def _chart(page: FPDF, shown: Sequence[ClassProjection], past: Sequence[tuple[float, float]], text: Text) -> None:
    """Draw the course of the EDSS: the patient's own, then what was expected under each class shown."""
    drawn = [(one.treatment, one.edss.expected) for one in shown if one.edss is not None]
    values = [edss for _, edss in past]
    lines, ends = [], []
    for treatment, curve in drawn:
        kept = np.isfinite(curve.value) & (curve.months <= MONTH)
        lines.append((treatment, list(zip(curve.months[kept].tolist(), curve.value[kept].tolist(), strict=True))))
        values += curve.value[kept].tolist()
        last = latest_shown(curve, MONTH)
        if last is not None and last.month == MONTH:
            ends.append((treatment, last.estimate))
            values += [last.estimate.lower, last.estimate.upper]
    low, high = max(0.0, math.floor(min(values) * 2 - 1) / 2), min(10.0, math.ceil(max(values) * 2 + 1) / 2)
    first = min(month for month, _ in past)
    top, left = page.get_y() + 2, MARGIN + CHART_LEFT

    def at(month: float, edss: float) -> tuple[float, float]:
        x = left + (month - first) / (MONTH - first) * (WIDTH - CHART_LEFT - CHART_RIGHT)
        return x, top + CHART_HEIGHT * (high - edss) / (high - low)

    page.set_font("Helvetica", size=8)
    page.set_text_color(*_rgb(LIGHT.soft_ink))
    page.set_draw_color(*_rgb(LIGHT.grid))
    page.set_line_width(0.2)
    step = 0.5 if high - low <= 3 else 1.0
    for number in range(round((high - low) / step) + 1):
        _, y = at(0, low + number * step)
        page.line(left, y, MARGIN + WIDTH, y)
        page.set_xy(MARGIN, y - 2)
        page.cell(CHART_LEFT - 2, 4, text.number(low + number * step, 1), align="R")
    apart = 6 if MONTH - first <= 60 else 12
    for month in range(math.ceil(first / apart) * apart, MONTH + 1, apart):
        x, y = at(month, low)
        page.set_xy(x - 8, y + 0.5)
        page.cell(16, 4, _latin(text.number(month)), align="C")
    for treatment, points in lines:
        with _pen(page, treatment):
            page.polyline([at(*point) for point in points])
    # At the right, the interval of each class at the last month.
    page.set_xy(MARGIN + WIDTH - CHART_RIGHT, top - 4.5)
    page.cell(CHART_RIGHT, 4, _latin(text("figure.at_end", months=MONTH)), align="R")
    for position, (treatment, end) in enumerate(ends):
        x = MARGIN + WIDTH - CHART_RIGHT + 5 + 3.1 * position
        with _pen(page, treatment):
            page.set_dash_pattern()
            page.line(x, at(0, end.lower)[1], x, at(0, end.upper)[1])
            page.line(x - 0.9, at(0, end.value)[1], x + 0.9, at(0, end.value)[1])
    page.set_draw_color(*_rgb(LIGHT.ink))
    page.set_fill_color(*_rgb(LIGHT.ink))
    page.set_line_width(0.6)
    if len(past) > 1:
        page.polyline([at(*visit) for visit in past])
    for visit in past:
        x, y = at(*visit)
        page.circle(x, y, 0.9, style="F")
    page.set_xy(MARGIN, top + CHART_HEIGHT + 4)
    page.cell(WIDTH, 4, _latin(text("figure.months_axis")), align="C")
    page.ln(7)


@contextmanager
def _pen(page: FPDF, treatment: str) -> Iterator[None]:
    """Draw in the colour and the dashes of a treatment class."""
    style = style_of(treatment)
    page.set_draw_color(*_rgb(style.on_light))
    page.set_line_width(0.55)
    if style.dash != "solid":
        dash, gap = (max(0.8, int(part.removesuffix("px")) * 0.26) for part in style.dash.split(",")[:2])
        page.set_dash_pattern(dash=dash, gap=gap)
    yield
    page.set_dash_pattern()


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return red, green, blue


def _latin(words: str) -> str:
    """Keep to the characters for which every reader of PDF files brings a font."""
    return words.translate(_LATIN).encode("latin-1", "replace").decode("latin-1")
