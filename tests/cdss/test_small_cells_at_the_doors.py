"""Whatever door is asked, counts are rounded and small ones withheld."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdss.reference import Reference
from projection.disclosure import DisclosedProjector
from reference_db.small_cells import ROUNDING, SMALL_CELL
from tests.cdss.conftest import Serve
from tests.e2e.processes import POI

COUNTS = {"n", "n_eligible", "n_within_caliper", "sources"}


def _counts(value: object, *, counted: bool = False) -> Iterator[float]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _counts(inner, counted=counted or name in COUNTS)
    elif isinstance(value, list):
        for inner in value:
            yield from _counts(inner, counted=counted)
    elif counted and isinstance(value, int | float):
        yield value


@pytest.mark.parametrize("resource", ["projections", "contrasts", "patients-of-reference"])
@pytest.mark.parametrize("query", ["", "?caliper=age:3", "?caliper=age:1&caliper=edss:0.5&source_kinds=trial"])
def test_every_count_over_http_is_rounded_or_withheld(serve: Serve, resource: str, query: str) -> None:
    answer = serve().post(f"/api/v1/{resource}{query}", json=dict(POI))
    assert answer.status_code == 200, answer.text
    counts = list(_counts(answer.json()))
    assert counts
    assert all(count % ROUNDING == 0 for count in counts)
    assert all(count == 0 or count >= SMALL_CELL for count in counts)


def test_every_door_is_given_the_same_projector(serve: Serve) -> None:
    """Viewer, cards, interface and command line ask `Reference`, which gives nothing else out."""
    client = serve()
    reference: Reference = client.app._reference  # type: ignore[attr-defined]  # the service behind the client
    assert type(reference.projector()) is DisclosedProjector
