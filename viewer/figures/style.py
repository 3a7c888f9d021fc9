"""How things look in every figure: the colour, line and mark of each treatment class, and the two themes.

A class is recognised by three signs at once, so that none of them is needed: a colour that colour-blind readers can
tell apart (after Okabe and Ito, darkened or lightened until it stands out 3:1 from the page), a line pattern, and a
mark, which also survive a grey printer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reference_db.vocabulary import Treatment

Figure = dict[str, Any]
"""Plotly's JSON."""


class ThemeName(StrEnum):
    """Bright or dark surroundings."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Theme:
    """The neutral colours of a page; they match the style sheet.

    Attributes
    ----------
    ink, soft_ink : str
        Text, and text that matters less (still 4.5:1 on the page).
    grid : str
        Lines that carry no data.
    page : str
        What figures stand on.
    """

    name: ThemeName
    ink: str
    soft_ink: str
    grid: str
    page: str


LIGHT = Theme(ThemeName.LIGHT, ink="#1b2430", soft_ink="#56616f", grid="#e6e9ed", page="#ffffff")
DARK = Theme(ThemeName.DARK, ink="#e8ebef", soft_ink="#a9b3bf", grid="#323a45", page="#1d232b")
THEMES: dict[str, Theme] = {theme.name.value: theme for theme in (LIGHT, DARK)}


@dataclass(frozen=True, slots=True)
class ClassStyle:
    """How one treatment class is drawn, everywhere."""

    on_light: str
    on_dark: str
    dash: str
    symbol: str

    def colour(self, theme: Theme) -> str:
        """Colour of the class on a theme, as ``#rrggbb``."""
        return self.on_light if theme.name is ThemeName.LIGHT else self.on_dark


STYLES: dict[Treatment, ClassStyle] = {
    Treatment.BETA_INTERFERON: ClassStyle("#1a40d8", "#2aa5ff", "solid", "circle"),
    Treatment.DIMETHYL_FUMARATE: ClassStyle("#bd8200", "#fdb51b", "7px,3px", "square"),
    Treatment.NATALIZUMAB: ClassStyle("#00523a", "#5f9a6c", "2px,3px", "diamond"),
    Treatment.CLADRIBINE: ClassStyle("#7d1274", "#d560c8", "9px,3px,2px,3px", "triangle-up"),
    Treatment.GLATIRAMER_ACETATE: ClassStyle("#2f8fdc", "#7fe8d0", "14px,4px", "triangle-down"),
    Treatment.TERIFLUNOMIDE: ClassStyle("#665600", "#f2ee85", "14px,3px,2px,3px,2px,3px", "cross"),
    Treatment.ANTI_CD20: ClassStyle("#dc5a45", "#e8722c", "5px,2px", "x"),
    Treatment.S1P_MODULATOR: ClassStyle("#6420b4", "#7d8bff", "9px,3px,4px,3px", "star"),
    Treatment.UNTREATED: ClassStyle("#6b7280", "#a3abb5", "4px,4px", "circle-open"),
}


def style_of(treatment: str) -> ClassStyle:
    """Return the style of a treatment class given by its value in the vocabulary."""
    return STYLES[Treatment(treatment)]


def translucent(colour: str, alpha: float) -> str:
    """Return ``#rrggbb`` as an ``rgba()`` of the given opacity (0 to 1).

    >>> translucent("#ff8000", 0.2)
    'rgba(255,128,0,0.2)'
    """
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def layout(theme: Theme, separators: str) -> dict[str, Any]:
    """Return the layout that all figures begin with: quiet axes, no legend (the page has one), no animation."""
    axis = {
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"color": theme.soft_ink, "size": 12},
        "title": {"font": {"color": theme.soft_ink, "size": 12}, "standoff": 8},
        "fixedrange": True,
    }
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {
            "family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', sans-serif",
            "color": theme.ink,
            "size": 12,
        },
        "margin": {"l": 46, "r": 14, "t": 10, "b": 42},
        "showlegend": False,
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": theme.page,
            "bordercolor": theme.grid,
            "font": {"color": theme.ink, "size": 12},
            "namelength": -1,
        },
        "separators": separators,
        "autosize": True,
        "dragmode": False,
        "xaxis": axis,
        "yaxis": {**axis, "automargin": False},
    }


EMPTY: Figure = {
    "data": [],
    "layout": {
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    },
}
"""What a graph shows before there is an answer."""

GRAPH_CONFIG: Any = {"displayModeBar": False, "responsive": True, "doubleClick": False}
"""Plotly's configuration of every graph: nothing to press by accident, no link to anywhere."""
