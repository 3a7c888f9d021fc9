"""Every purpose on a built release, from the request to the files, by command and over HTTP."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.e2e.processes import Server, run_here, start_server, stop_server

pytestmark = pytest.mark.e2e

WISH = ("--recipient", "a university", "--reason", "a course", "--as", "alice")


@pytest.fixture
def apart(small_home: Path, tmp_path: Path) -> Path:
    """A copy of the installation, since what has left counts for what is asked next."""
    return Path(shutil.copytree(small_home, tmp_path / "home"))


@pytest.fixture
def patients(apart: Path) -> int:
    """Patients of the release."""
    (row,) = json.loads(run_here(apart, "release", "list", "--json").stdout)
    return int(row["patients"])


def export(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_here(home, "export", *arguments)


def identifier_in(done: subprocess.CompletedProcess[str]) -> str:
    return next(line for line in done.stdout.splitlines() if line.startswith("export x"))[7:].partition(":")[0]


def test_data_sets_of_a_release_leave_by_command(apart: Path, patients: int) -> None:
    for purpose, size in (("teaching", ("--size", "150")), ("sharing", ())):
        asked = export(apart, "request", "--purpose", purpose, *size, *WISH)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        assert "FAILED" not in asked.stdout
        identifier = identifier_in(asked)
        own = export(apart, "approve", identifier, "--as", "alice")
        assert (own.returncode, "another manager" in own.stderr) == (2, True)
        assert export(apart, "approve", identifier, "--as", "bob").returncode == 0
        delivered = export(apart, "deliver", identifier, "--as", "alice")
        folder = Path(delivered.stdout.strip())
        rows = len(pd.read_parquet(folder / "episodes.parquet"))
        told = json.loads((folder / "export.json").read_text())
        assert (told["purpose"], told["rows"]) == (purpose, rows)
        assert rows == pytest.approx(int(size[1]), abs=3) if size else rows == patients
    near = export(apart, "request", "--purpose", "teaching", "--size", "155", *WISH)
    assert near.returncode == 1
    assert "FAILED  differencing" in near.stdout
    refused = export(apart, "approve", identifier_in(near), "--as", "bob")
    assert (refused.returncode, "quarantined" in refused.stderr) == (2, True)
    assert run_here(apart, "audit", "verify").returncode == 0


@pytest.fixture
def serving(apart: Path, tmp_path: Path) -> Iterator[Server]:
    server = start_server(apart, tmp_path / "log")
    yield server
    stop_server(server)


def test_augmentation_is_assessed_anew_and_leaves_over_http_and_then_nothing_else_of_these_originals(
    serving: Server, apart: Path, patients: int
) -> None:
    with httpx.Client(base_url=serving.address, timeout=60) as client:

        def acting(name: str, role: str) -> dict[str, str]:
            token = client.post("/api/v1/session", json={"name": name, "role": role}).json()["token"]
            client.cookies.clear()
            return {"Authorization": f"Bearer {token}"}

        alice, bob = acting("alice", "steward"), acting("bob", "manager")
        release = client.get("/readyz").json()["release"]
        wish = {"purpose": "augmentation", "release": release, "size": 2, "recipient": "a lab", "reason": "power"}
        assert client.post("/api/v1/exports", json=wish, headers=bob).status_code == 403
        filed = client.post("/api/v1/exports", json=wish, headers=alice).json()
        address = f"/api/v1/exports/{filed['identifier']}"
        deadline = time.monotonic() + 300
        while client.get(address, headers=alice).json()["export"]["state"] == "requested":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        found = client.get(address, headers=bob).json()["export"]
        assert found["state"] == "checked", found["checks"]
        assert {check["name"] for check in found["checks"]} == {
            *("release assessment", "small cells", "differencing", "acro")
        }
        assert "2 avatars per original" in str(found["checks"])
        assert client.post(f"{address}/approve", headers=acting("alice", "manager")).status_code == 403
        assert client.post(f"{address}/approve", headers=bob).json()["state"] == "approved"
        data = client.post(f"{address}/deliver", headers=alice)
        with zipfile.ZipFile(io.BytesIO(data.content)) as archive:
            table = pd.read_parquet(io.BytesIO(archive.read("episodes.parquet")))
        assert len(table) == 2 * patients
    shared = export(apart, "request", "--purpose", "sharing", *WISH)
    assert shared.returncode == 1
    assert "other avatars of the same originals" in shared.stdout
