"""Names and states for assistive technology, and words for the script, as Dash components take them."""

from __future__ import annotations

from typing import Any


def aria(**states: str) -> dict[str, Any]:
    """Return ARIA properties to unpack into a component.

    >>> aria(label="Close", hidden="true")
    {'aria-label': 'Close', 'aria-hidden': 'true'}
    """
    return {f"aria-{name}": value for name, value in states.items()}


def told(**words: str) -> dict[str, Any]:
    """Return words that the script shows, as attributes of an element to unpack.

    >>> told(copied="Copied.")
    {'data-copied': 'Copied.'}
    """
    return {f"data-{name}": said for name, said in words.items()}
