"""Every command that the README shows works as it stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.e2e.processes import POI, Server, run_here

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
    made = run_here(home, "avatarize", str(folder / "ORIGINAL.csv"), str(folder / "SYNTHETIC.csv"))
    assert made.returncode == 0, made.stderr
    return folder


def test_the_readme_shows_commands() -> None:
    assert {command[0] for command in COMMANDS} >= {"build", "project", "serve", "privacy", "release"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] not in ("serve", "build")], ids=" ".join)
def test_a_command_of_the_readme_works(
    folder: Path, home: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = run_here(home, *command)
    # 1 is a verdict: this small table may miss a privacy target.
    assert done.returncode in ((0, 1) if command[0] == "privacy" else (0,)), done.stderr
    assert done.stdout


def test_serve_of_the_readme_works(server: Server) -> None:
    """How it ends when it is told to stop is asked where it is stopped."""
    assert ["serve"] in COMMANDS
    assert httpx.get(f"{server.address}/readyz").status_code == 200


def test_the_request_of_the_readme_is_answered(server: Server) -> None:
    (body,) = re.findall(r"-d '(\{.*?\})'", README, re.DOTALL)
    answer = httpx.post(f"{server.address}/api/v1/projections", content=body)
    assert answer.status_code == 200, answer.text
