"""Every command that the README shows works as it stands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.e2e.processes import CDSS, POI, Server, environment, start_server, stop_server

pytestmark = pytest.mark.e2e

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.partition("#")[0])[1:]
    for block in re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if line.startswith(".venv/bin/cdss ")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """A folder with the files that the README names, and the default release."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "POI.json").write_text(json.dumps(POI))
    rng = np.random.default_rng(5)
    severity = rng.normal(0, 1, 400)
    table = pd.DataFrame(
        {
            name: (mean + scale * (share * severity + rng.normal(0, 1, 400))).round(2)
            for name, mean, scale, share in (
                ("age", 40, 8, 0.5),
                ("years", 8, 2, 0.6),
                ("walk", 6, 1, 0.8),
                ("volume", 1.4, 0.1, -0.4),
                ("vitamin_d", 60, 15, 0.0),
                ("pressure", 120, 12, 0.1),
                ("weight", 70, 10, 0.0),
            )
        }
    )
    table["sex"] = rng.choice(["female", "male"], 400)
    table.to_csv(folder / "IN.csv", index=False)
    table.to_csv(folder / "ORIGINAL.csv", index=False)
    subprocess.run(
        [CDSS, "avatarize", "ORIGINAL.csv", "SYNTHETIC.csv"], cwd=folder, env=environment(home), check=True
    )
    return folder


def test_the_readme_shows_commands() -> None:
    assert {command[0] for command in COMMANDS} >= {"build", "project", "serve", "privacy", "release"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] not in ("serve", "build")], ids=" ".join)
def test_a_command_of_the_readme_works(folder: Path, home: Path, command: list[str]) -> None:
    done = subprocess.run(
        [CDSS, *command], cwd=folder, env=environment(home), capture_output=True, text=True, timeout=120, check=False
    )
    # 1 is a verdict: this small table may miss a privacy target.
    assert done.returncode in ((0, 1) if command[0] == "privacy" else (0,)), done.stderr
    assert done.stdout


def test_serve_of_the_readme_works(home: Path, tmp_path: Path) -> None:
    assert ["serve"] in COMMANDS
    server = start_server(home, tmp_path / "log")
    assert httpx.get(f"{server.address}/readyz").status_code == 200
    # 130 is what a process that Ctrl-C stopped exits with.
    assert stop_server(server) in (0, 130)


def test_the_request_of_the_readme_is_answered(server: Server) -> None:
    (body,) = re.findall(r"-d '(\{.*?\})'", README, re.DOTALL)
    answer = httpx.post(f"{server.address}/api/v1/projections", content=body)
    assert answer.status_code == 200, answer.text
