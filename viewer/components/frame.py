"""What surrounds every page: name, navigation, language, theme, and the line that says what this is not."""

from __future__ import annotations

from collections.abc import Mapping

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from viewer.components.accessible import aria
from viewer.components.study_strip import study_strip
from viewer.text import Language, Text

PAGES: dict[str, str] = {"consultation": "", "patient": "patient", "take-home": "take-home", "about": "about"}
"""Pages by name, with their path below the viewer's prefix."""


def frame(
    page: str,
    content: Component,
    *,
    text: Text,
    prefix: str,
    release: str,
    added: Mapping[str, str] | None = None,
    notice: str = "",
    study: bool = False,
) -> list[Component]:
    """Return a whole screen.

    Parameters
    ----------
    page : str
        Name of the page among `PAGES`, or path of an added one.
    content : Component
    text : Text
    prefix : str
        Path under which the viewer is served, with its slashes.
    release : str
        Version of the release that answers.
    added : mapping of str to str, optional
        Titles of the added pages to name in the navigation, by path.
    notice : str
        What the reader must know first.
    study : bool
        Whether the consultation takes part in a study.
    """
    names = {name: (path, text(f"page.{name}")) for name, path in PAGES.items()}
    names |= {path: (path, title) for path, title in (added or {}).items()}
    return [
        html.A(text("product.skip"), href="#main", className="skip"),
        html.Header(
            [
                html.Div(
                    [
                        html.Span(className="mark", **aria(hidden="true")),
                        html.H1([text("product.name"), html.Span(text("product.field"), className="field-name")]),
                    ],
                    className="brand",
                ),
                html.Nav(
                    [
                        dcc.Link(
                            title,
                            href=f"{prefix}{path}",
                            className="current" if name == page else "",
                            id=f"nav-{name}",
                        )
                        for name, (path, title) in names.items()
                    ]
                ),
                html.Div(
                    [
                        dmc.SegmentedControl(
                            id="language-choice",
                            data=[{"value": one.value, "label": one.value.upper()} for one in Language],
                            value=text.language.value,
                            size="xs",
                            transitionDuration=0,
                            **aria(label=text("language.label")),
                        ),
                        html.Button(
                            html.Span(className="theme-sign", **aria(hidden="true")),
                            id="theme-toggle",
                            type="button",
                            n_clicks=0,
                            title=text("theme.label"),
                            **aria(label=text("theme.label")),
                        ),
                    ],
                    className="preferences",
                ),
            ],
            className="top",
        ),
        *([study_strip(text)] if study else []),
        *([html.P(notice, className="notice page-notice", role="alert")] if notice else []),
        # Named after the page, since it has the focus when the page is opened from another.
        html.Main(
            content,
            id="main",
            className=f"page page-{page}",
            tabIndex=-1,
            **(aria(label=names[page][1]) if page in names else {}),
        ),
        html.Footer(
            [
                html.Strong(text("product.research"), id="research-line"),
                html.Span(text("product.release", release=release), id="release-line"),
            ]
        ),
    ]
