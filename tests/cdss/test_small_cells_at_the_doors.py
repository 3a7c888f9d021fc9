"""Whatever door is asked, counts are rounded and small ones withheld."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdss.ehr.examples import HOOK_CALL, RECORD
from cdss.reference import Reference
from projection.disclosure import DisclosedProjector
from reference_db.release import ReleaseContent, freeze, list_releases, open_release
from reference_db.small_cells import ROUNDING, SMALL_CELL
from tests.cdss.conftest import Serve
from tests.client import TestClient
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
@pytest.mark.parametrize(
    "query", ["", "?caliper=age:3", "?caliper=age:1&caliper=edss:0.5&source_kinds=trial", "?largest_distance=1e308"]
)
def test_every_count_over_http_is_rounded_or_withheld(ask: Serve, resource: str, query: str) -> None:
    answer = ask().post(f"/api/v1/{resource}{query}", json=dict(POI))
    assert answer.status_code == 200, answer.text
    counts = list(_counts(answer.json()))
    assert counts
    assert all(count % ROUNDING == 0 for count in counts)
    assert all(count == 0 or count >= SMALL_CELL for count in counts)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_cards_and_documents_give_the_numbers_of_the_interface(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("CDSS_EHR_PROFILE", "dev")
    # Sandboxes are let in from this machine only.
    client = TestClient(serve().app, base_url="http://localhost:8000", client=("127.0.0.1", 50_000))
    parameters = client.post("/fhir/$patient-of-interest", json=RECORD).json()["parameter"]
    patient = next(one["valueString"] for one in parameters if one["name"] == "patient")
    classes = client.post("/api/v1/projections", content=patient).json()["classes"]
    told = {one["treatment"]: one for one in classes if one["refusal"] is None}
    assert told

    (card,) = client.post("/cds-services/ms-treatment-projection", json=HOOK_CALL).json()["cards"]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card["detail"].splitlines()]
    on_card = {row[0]: row for row in rows if row and row[0] in told}
    assert on_card.keys() == told.keys()
    for name, (_, n, worsening, *_rest) in on_card.items():
        assert int(n) == told[name]["n"]
        assert worsening.startswith(f"{100 * _shown(told[name], 'worsening_24w'):.0f} %")

    assessed = client.post("/fhir/RiskAssessment/$project", json=RECORD).json()["prediction"]
    assert len(assessed) >= len(told)
    for one in assessed:
        (coding,) = one["extension"][0]["valueCodeableConcept"]["coding"]
        (outcome,) = one["outcome"]["coding"]
        exact = told[coding["display"]]
        assert f"From the {exact['n']} most similar" in one["rationale"]
        assert one["probabilityDecimal"] == pytest.approx(100 * _shown(exact, outcome["code"].replace("-", "_")))

    document = client.post("/fhir/DocumentReference/$project", json=RECORD, headers={"Accept-Language": language})
    pages = _text_of_pdf(base64.b64decode(document.json()["content"][0]["attachment"]["data"]))
    for one in told.values():
        assert f"({one['n']})" in pages


def _shown(part: dict[str, Any], outcome: str) -> float:
    """Return what is told of an outcome by 24 months, or by the latest month before that has patients."""
    curve = part["probabilities"][outcome]
    values = [v for month, v in zip(curve["months"], curve["value"], strict=True) if month <= 24 and v is not None]
    return float(values[-1])


def _text_of_pdf(pdf: bytes) -> str:
    """Return the drawing commands of a document, in which each cell of a table stands in brackets."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, flags=re.DOTALL)
    return "\n".join(zlib.decompress(one).decode("latin-1") for one in streams if one[:1] == b"x")


def test_a_manifest_does_not_tell_where_the_originals_are(serve: Serve, home: Path) -> None:
    """Of a release that was built from a folder of this machine."""
    (path,) = list_releases(home / "releases")
    release = open_release(path)
    content = ReleaseContent(
        seed=1,
        parameters={"bkp": "/data/hospital/originals-2026"},
        sources=release.manifest.sources,
        privacy=release.manifest.privacy,
        reasons=(),
    )
    version = freeze(home / "releases", release.episodes.table, content, attachments={}).version
    answer = serve().get(f"/api/v1/releases/{version}")
    assert answer.json()["parameters"]["bkp"] == "originals-2026"
    assert "/data" not in answer.text


def test_every_door_is_given_the_same_projector(serve: Serve) -> None:
    """Viewer, cards, interface and command line ask `Reference`, which gives nothing else out."""
    client = serve()
    reference: Reference = client.app._reference  # type: ignore[attr-defined]  # the service behind the client
    assert type(reference.projector()) is DisclosedProjector
