"""JSON documents with parts missing, replaced by anything, or extended."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2026-01-01", "3", "", 10**25, 1e300, -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def _spoil(draw: st.DrawFn, value: object) -> object:
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    if isinstance(value, dict):
        spoiled = {key: _spoil(draw, inner) for key, inner in value.items() if draw(st.integers(0, 9))}
        if draw(st.integers(0, 4)) == 0:
            spoiled["extension"] = draw(JSON)
        return spoiled
    return [_spoil(draw, inner) for inner in value] if isinstance(value, list) else value


@st.composite
def spoiled(draw: st.DrawFn, document: object) -> Any:  # noqa: ANN401 - JSON
    """Draw a document in which about a tenth of the parts is wrong; the outermost keeps its kind."""
    if isinstance(document, dict):
        return {key: _spoil(draw, inner) for key, inner in document.items()}
    return [_spoil(draw, inner) for inner in document] if isinstance(document, list) else _spoil(draw, document)
