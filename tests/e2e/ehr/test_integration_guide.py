"""Every command of the integration guide is run, in its order, in one shell."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import Server
from tests.ehr.card_schema import RESPONSE, check

pytestmark = pytest.mark.e2e

GUIDE = Path(__file__).parents[3] / "docs" / "integration.md"


def test_from_zero_to_a_card(sandbox: Server, tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 8
    script = "set -eu\n" + "\n".join(blocks).replace("http://127.0.0.1:8000", sandbox.address)
    assert "CDS Hooks calls without a token" in sandbox.log.read_text(), "a sandbox says loudly what it trusts"
    run = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr + run.stdout[-2000:]
    answer = json.loads((tmp_path / "answer.json").read_text())
    check(answer, RESPONSE)
    assert len(answer["cards"]) == 1
    assert "| natalizumab |" in run.stdout
    kinds = {
        name: json.loads((tmp_path / f"{name}.json").read_text())["resourceType"] for name in ("risk", "document")
    }
    assert kinds == {"risk": "RiskAssessment", "document": "DocumentReference"}
    missing = json.loads((tmp_path / "missing.json").read_text())
    assert missing["status"] == 412
    assert {one["key"] for one in missing["missing"]} == {"patient", "conditions", "edss"}
