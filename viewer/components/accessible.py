"""Names and states for assistive technology, as Dash components take them."""

from __future__ import annotations

from typing import Any


def aria(**states: str) -> dict[str, Any]:
    """Return ARIA properties to unpack into a component.

    >>> aria(label="Close", hidden="true")
    {'aria-label': 'Close', 'aria-hidden': 'true'}
    """
    return {f"aria-{name}": value for name, value in states.items()}
