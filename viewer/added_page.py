"""A page that whoever makes the viewer adds to it, beside the ones it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dash
from dash.development.base_component import Component

from viewer.text import Language


@dataclass(frozen=True, slots=True)
class AddedPage:
    """A page under an address of its own, in the viewer's frame, languages and themes.

    Attributes
    ----------
    path : str
        Below the viewer's prefix, such as ``questionnaire``: small letters and hyphens, and none of the viewer's own.
    title : callable
        From a language to the page's title, which also names it in the navigation.
    layout : callable
        From a language to what stands on the page; called whenever it is opened or the language changes. Ids of its
        elements should begin with the path, so that they meet none of the viewer's. The style sheet has classes
        ``panel``, ``card``, ``hint``, ``notice``, ``primary`` and tables ``outcomes``.
    register : callable
        Given the application once, when it is made, to add callbacks. ``State("language", "data")`` and
        ``State("theme", "data")`` say how the page is looked at.
    listed : bool
        Whether the navigation of every page names it; otherwise only those who know its address find it.

    Examples
    --------
    >>> from dash import html
    >>> page = AddedPage(
    ...     path="hello",
    ...     title=lambda language: "Bonjour" if language is Language.FRENCH else "Hello",
    ...     layout=lambda language: html.Section(html.H2("Hello"), className="panel"),
    ...     register=lambda app: None,
    ... )
    >>> page.title(Language.FRENCH)
    'Bonjour'
    """

    path: str
    title: Callable[[Language], str]
    layout: Callable[[Language], Component]
    register: Callable[[dash.Dash], None]
    listed: bool = False

    def __post_init__(self) -> None:
        if not self.path or set(self.path) - set("abcdefghijklmnopqrstuvwxyz-"):
            raise ValueError(f"{self.path!r} cannot be a page's path: use small letters and hyphens")
