"""The one legend: a switch per treatment class with its line, its name and how many patients stand behind it.

It is the same on every page. The order is that of the vocabulary, never that of results.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from reference_db.vocabulary import Treatment
from viewer.components.accessible import aria
from viewer.figures.style import DARK, LIGHT, STYLES, ClassStyle, Theme
from viewer.text import Text

MARKS: dict[str, str] = {
    "circle": '<circle cx="17" cy="6" r="4" fill="{c}"/>',
    "circle-open": '<circle cx="17" cy="6" r="3.4" fill="{p}" stroke="{c}" stroke-width="1.6"/>',
    "square": '<rect x="13.5" y="2.5" width="7" height="7" fill="{c}"/>',
    "diamond": '<path d="M17 1l5 5-5 5-5-5z" fill="{c}"/>',
    "triangle-up": '<path d="M17 1l5 9H12z" fill="{c}"/>',
    "triangle-down": '<path d="M17 11l5-9H12z" fill="{c}"/>',
    "cross": '<path d="M15 1h4v3h3v4h-3v3h-4V8h-3V4h3z" fill="{c}"/>',
    "x": '<path d="M13 2l4 4 4-4M13 10l4-4 4 4" fill="none" stroke="{c}" stroke-width="2.4"/>',
    "star": '<path d="M17 0l1.6 4.2 4.4.2-3.4 2.8 1.2 4.3L17 9l-3.8 2.5 1.2-4.3L11 4.4l4.4-.2z" fill="{c}"/>',
}


def swatch_source(style: ClassStyle, theme: Theme) -> str:
    """Return a picture of a class's line and mark as a data address."""
    colour = style.colour(theme)
    dash = "" if style.dash == "solid" else f' stroke-dasharray="{style.dash.replace("px", "")}"'
    mark = MARKS[style.symbol].format(c=colour, p=theme.page)
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="34" height="12">'
        f'<path d="M0 6H34" stroke="{colour}" stroke-width="2.4"{dash}/>{mark}</svg>'
    )
    return f"data:image/svg+xml,{quote(picture)}"


def swatch(treatment: Treatment) -> Component:
    """Return the line of a class, in the colours of both themes; the style sheet shows one of them."""
    style = STYLES[treatment]
    return html.Span(
        [
            html.Img(src=swatch_source(style, theme), alt="", className=f"swatch on-{theme.name.value}")
            for theme in (LIGHT, DARK)
        ],
        className="swatches",
    )


def count_id(treatment: Treatment, element: str = "legend") -> str:
    """Return the id of the element of a legend that says how many patients of reference a class has."""
    return f"{element}-n-{treatment.value.replace(' ', '-').lower()}"


def class_name(treatment: str, text: Text) -> str:
    """Return the name of a treatment class."""
    return text(f"treatment.{treatment}")


def legend(
    shown: Collection[str],
    text: Text,
    *,
    element: str = "legend",
    name: Callable[[str, Text], str] = class_name,
) -> Component:
    """Return the legend with its switches under the given id.

    `count_id` elements are filled where there is an answer; each page has an `element` of its own, and may have its
    own name for a class.
    """
    chips = [
        dmc.Chip(
            [
                html.Span(
                    [swatch(treatment), html.Span(id=count_id(treatment, element), className="class-n")],
                    className="class-signs",
                ),
                html.Span(name(treatment.value, text), className="class-name"),
            ],
            value=treatment.value,
            size="sm",
            variant="outline",
        )
        for treatment in Treatment
    ]
    return html.Section(
        [
            html.Div(
                [
                    html.H2(text("legend.title"), id="legend-title"),
                    html.Span(text("legend.hint"), className="hint"),
                ],
                className="legend-head",
            ),
            html.Div(
                dmc.ChipGroup(chips, multiple=True, value=list(shown), id=element),
                id="patients-of-reference" if element == "legend" else f"{element}-classes",
                className="legend-chips",
                role="group",
                **aria(labelledby="legend-title"),
            ),
        ],
        className="legend-bar",
    )
