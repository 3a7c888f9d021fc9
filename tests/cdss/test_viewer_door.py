"""Whatever is sent to the viewer: its own pages are answered, anything else is refused, no failure goes unseen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdss.app import Service
from cdss.security.limits import LARGEST_BODY
from cdss.settings import Settings
from tests.client import TestClient

UPDATE = "/viewer/_dash-update-component"
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def client(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = tmp_path_factory.mktemp("viewed")
    shutil.copytree(releases, home / "releases")
    service = Service(Settings(home=home))
    yield TestClient(service, base_url="http://localhost", raise_server_exceptions=False)
    service.close()


def outputs_of(name: str) -> list[dict[str, str]]:
    """The properties that the name of a callback lists."""
    names = name[2:-2].split("...") if name.startswith("..") else [name]
    return [{"id": one.rpartition(".")[0], "property": one.rpartition(".")[2].partition("@")[0]} for one in names]


@pytest.fixture(scope="module")
def calls(client: TestClient) -> list[dict[str, Any]]:
    """A call of every callback that runs here, as its page would make it, but without values."""
    listed = client.get("/viewer/_dash-dependencies").json()
    made = []
    for one in listed:
        if one.get("clientside_function"):
            continue
        outputs = outputs_of(one["output"])
        made.append(
            {
                "output": one["output"],
                "outputs": outputs if one["output"].startswith("..") else outputs[0],
                "inputs": [{**each, "value": None} for each in one["inputs"]],
                "state": [{**each, "value": None} for each in one["state"]],
                "changedPropIds": [f"{each['id']}.{each['property']}" for each in one["inputs"][:1]],
            }
        )
    assert len(made) > 5
    return made


@given(body=st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
@QUICK
def test_what_is_no_call_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post(UPDATE, content=body)
    assert answer.status_code == 400
    assert answer.json()["title"] == "Bad Request"


@given(data=st.data())
@QUICK
def test_a_call_with_anything_in_it_is_no_accident(
    client: TestClient, calls: list[dict[str, Any]], data: st.DataObject
) -> None:
    called = json.loads(json.dumps(data.draw(st.sampled_from(calls))))
    for each in (*called["inputs"], *called["state"]):
        if data.draw(st.booleans()):
            each["value"] = data.draw(JSON)
    answer = client.post(UPDATE, content=json.dumps(called))
    assert answer.status_code in {200, 204, 400, 422}, answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("part", ["output", "inputs", "state", "outputs", "changedPropIds"])
@pytest.mark.parametrize("value", ["x", 5, [5], [{"id": 1}], [[[[[]]]], [1]], {"id": "a"}])
def test_a_call_of_another_shape_is_refused(
    client: TestClient, calls: list[dict[str, Any]], part: str, value: object
) -> None:
    answer = client.post(UPDATE, content=json.dumps({**calls[0], part: value}))
    assert answer.status_code in ({200, 204, 400} if value == [[[[[]]]], [1]] else {400})


def test_a_failure_is_logged_by_its_name_and_not_by_what_was_sent(
    client: TestClient, calls: list[dict[str, Any]]
) -> None:
    called = next(one for one in calls if "frame.children" in one["output"])
    for each in called["state"]:
        each["value"] = {"values": "a-clinical-value"}
    for each in called["inputs"]:
        each["value"] = "en" if each["id"] == "language" else "a-clinical-value"
    with structlog.testing.capture_logs() as logs:
        answer = client.post(UPDATE, content=json.dumps(called))
    assert answer.status_code == 422
    (line,) = logs
    assert (line["event"], line["callback"]) == ("viewer_failed", called["output"])
    assert "a-clinical-value" not in f"{logs} {answer.text}"


@pytest.mark.parametrize(
    "path", ["_dash-component-suites/x/y.js", "_dash-component-suites/dash/dcc/z.js", "nothing", "../x"]
)
def test_a_file_that_is_not_there_is_a_404(client: TestClient, path: str) -> None:
    assert client.get(f"/viewer/{path}").status_code == 404


def test_a_call_that_is_too_large_is_refused(client: TestClient) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(LARGEST_BODY // 100_000 + 2):
            yield b"x" * 100_000

    assert client.post(UPDATE, content=parts()).status_code == 413
    assert client.post(UPDATE, content=b"x" * (LARGEST_BODY + 1)).status_code == 413
