"""One plotting area, or one per treatment class on common scales: where each trace goes, and the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from viewer.figures.style import Theme

GAP_ACROSS, GAP_DOWN, MOST_ACROSS = 0.02, 0.1, 5
WORDS_OVER = 22
"""Pixels over an area for the words that stand there."""


class Panels:
    """The plotting areas of a figure, laid out left to right, top to bottom.

    Parameters
    ----------
    layout : dict
        The figure's layout; `finish` completes it in place.
    titles : sequence of str or None
        One panel per title; None for a single area without one.
    theme : Theme
    """

    def __init__(self, layout: dict[str, Any], titles: Sequence[str] | None, theme: Theme) -> None:
        self._layout, self._theme = layout, theme
        self._titles = list(titles) if titles else None
        self.count = len(self._titles) if self._titles else 1
        self._columns = 1 if self._titles is None else min(MOST_ACROSS, self.count)
        self._rows = math.ceil(self.count / self._columns)

    def axes(self, position: int) -> dict[str, str]:
        """Return the axes of a trace in the panel of that position; empty for a single area."""
        if self._titles is None or position == 0:
            return {}
        return {"xaxis": f"x{position + 1}", "yaxis": f"y{position + 1}"}

    def _domain(self, position: int) -> tuple[list[float], list[float]]:
        row, column = divmod(position, self._columns)
        width = (1 - GAP_ACROSS * (self._columns - 1)) / self._columns
        height = (1 - GAP_DOWN * self._rows) / self._rows
        left = column * (width + GAP_ACROSS)
        top = 1 - GAP_DOWN * 0.6 - row * (height + GAP_DOWN)
        return [left, min(1.0, left + width)], [max(0.0, top - height), top]

    def finish(
        self, *, x: dict[str, Any], y: dict[str, Any], today: str | None = None, end: str | None = None
    ) -> None:
        """Complete the layout: common scales, titles of panels, and the line at today (month 0) when it is named.

        Parameters
        ----------
        x, y : dict
            Axis properties; `title` is plain text and stands once on the left and once below.
        today : str or None
            Word beside the line at month 0.
        end : str or None
            Words over the intervals that stand right of the curves.
        """
        base = {axis: self._layout.pop(axis) for axis in ("xaxis", "yaxis")}
        annotations: list[dict[str, Any]] = []
        shapes: list[dict[str, Any]] = []
        for position in range(self.count):
            suffix = "" if position == 0 else str(position + 1)
            lowest = position + self._columns >= self.count
            leftmost = position % self._columns == 0
            x_axis = {**base["xaxis"], **x, "anchor": f"y{suffix}", "showticklabels": lowest}
            y_axis = {**base["yaxis"], **y, "anchor": f"x{suffix}", "showticklabels": leftmost}
            for axis, named in ((x_axis, lowest and leftmost), (y_axis, leftmost and self._titles is None)):
                axis["title"] = {**base["xaxis"]["title"], "text": axis["title"] if named else ""}
            if self._titles is not None:
                x_axis["domain"], y_axis["domain"] = self._domain(position)
                annotations.append(self._title(position))
            self._layout[f"xaxis{suffix}"], self._layout[f"yaxis{suffix}"] = x_axis, y_axis
            if today is not None:
                shapes.append(self._today_line(suffix))
        if today is not None and self._titles is None:
            annotations.append(self._today_word(today))
        if end is not None and self._titles is None:
            annotations.append({**self._today_word(end), "x": 1, "xref": "paper", "xshift": 0})
        if self._titles is None and annotations:
            # Words stand over the area: in it, curves and intervals would run through them.
            self._layout["margin"] = {**self._layout["margin"], "t": WORDS_OVER}
        self._layout["annotations"], self._layout["shapes"] = annotations, shapes

    def _title(self, position: int) -> dict[str, Any]:
        assert self._titles is not None  # noqa: S101 - only panels with titles come here
        (left, _), (_, top) = self._domain(position)
        return {
            "text": self._titles[position],
            "x": left,
            "y": top,
            "xref": "paper",
            "yref": "paper",
            "xanchor": "left",
            "yanchor": "bottom",
            "showarrow": False,
            "font": {"size": 12, "color": self._theme.ink},
        }

    def _today_line(self, suffix: str) -> dict[str, Any]:
        return {
            "type": "line",
            "x0": 0,
            "x1": 0,
            "y0": 0,
            "y1": 1,
            "xref": f"x{suffix}",
            "yref": f"y{suffix} domain",
            "line": {"color": self._theme.soft_ink, "width": 1, "dash": "dot"},
        }

    def _today_word(self, today: str) -> dict[str, Any]:
        return {
            "text": today,
            "x": 0,
            "y": 1,
            "xref": "x",
            "yref": "paper",
            "xanchor": "right",
            "yanchor": "bottom",
            "xshift": -4,
            "showarrow": False,
            "font": {"size": 11, "color": self._theme.soft_ink},
        }
