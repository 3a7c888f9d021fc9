"""Anything at all as a patient, a table or a manifest: refused with a reason, never an accident."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdss.app import Service
from cdss.cli.tables import read_table
from cdss.settings import Settings
from reference_db.errors import InvalidInput, ReleaseError
from reference_db.release import open_release
from tests.client import TestClient
from tests.e2e.processes import POI

QUICK = settings(max_examples=60, suppress_health_check=list(HealthCheck))

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from([1e308, -1e308, 2**63, 2**64, "NaN", "1e999", "\x00", "😀" * 50, "-0", "０"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def client(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = tmp_path_factory.mktemp("fuzzed")
    shutil.copytree(releases, home / "releases")
    service = Service(Settings(home=home))
    yield TestClient(service, base_url="http://localhost", raise_server_exceptions=False)
    service.close()


def _refused_or_answered(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/v1/projections", content=body)
    assert answer.status_code in {200, 422}, answer.text
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text
    if answer.status_code == 422:
        assert answer.json()["errors"]


@given(body=st.binary(max_size=200))
@QUICK
def test_any_bytes_as_a_patient(client: TestClient, body: bytes) -> None:
    _refused_or_answered(client, body)


@given(body=JSON)
@QUICK
def test_any_json_as_a_patient(client: TestClient, body: object) -> None:
    _refused_or_answered(client, json.dumps(body).encode("utf-8", "surrogatepass"))


@given(changes=st.dictionaries(st.sampled_from([*POI, "relapses_24m", "surprise"]), JSON, min_size=1, max_size=4))
@QUICK
def test_any_value_in_any_field_of_a_patient(client: TestClient, changes: dict[str, object]) -> None:
    _refused_or_answered(client, json.dumps({**POI, **changes}).encode("utf-8", "surrogatepass"))


def test_deep_nesting_is_refused(client: TestClient) -> None:
    _refused_or_answered(client, b"[" * 100_000)
    _refused_or_answered(client, b'{"history":' * 5_000 + b"1" + b"}" * 5_000)


@given(
    content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "ignore")))
)
@QUICK
def test_any_bytes_as_a_table(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(content)
    with suppress(InvalidInput):
        table, _ = read_table(path)
        assert len(table) > 0


@given(data=st.data())
@QUICK
def test_any_change_of_a_manifest_is_refused(
    releases: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    (original,) = releases.glob("r*")
    folder = tmp_path_factory.getbasetemp() / "manifests" / original.name
    if not folder.exists():
        shutil.copytree(original, folder)
    manifest = folder / "manifest.json"
    manifest.chmod(0o644)
    content = json.loads((original / "manifest.json").read_text())
    field = data.draw(st.sampled_from(sorted(content)))
    value = data.draw(JSON)
    changed = {**content, field: value}
    manifest.write_text(json.dumps(changed, ensure_ascii=True))
    if field == "created" or changed == content:
        return
    with pytest.raises(ReleaseError):
        open_release(folder)


@given(content=st.binary(max_size=300))
@QUICK
def test_any_bytes_as_a_manifest(releases: Path, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    (original,) = releases.glob("r*")
    folder = tmp_path_factory.getbasetemp() / "broken" / original.name
    if not folder.exists():
        shutil.copytree(original, folder)
    manifest = folder / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(content)
    with pytest.raises(ReleaseError):
        open_release(folder)
