"""Which licences may be handed on with the project, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "supply_chain.py"
specification = importlib.util.spec_from_file_location("supply_chain", SCRIPT)
assert specification is not None
assert specification.loader is not None
supply_chain = importlib.util.module_from_spec(specification)
specification.loader.exec_module(supply_chain)


@pytest.mark.parametrize(
    "stated",
    [
        "MIT",
        "LGPL-3.0-only",
        "GNU Lesser General Public License v3 (LGPLv3)",
        "MIT OR GPL-2.0-only",
        "Apache-2.0 AND MIT",
    ],
)
def test_what_may_be_handed_on(stated: str) -> None:
    assert supply_chain.licence_problems("a-library", stated) == []


@pytest.mark.parametrize(
    "stated",
    ["GPL-3.0-or-later", "AGPL-3.0", "MIT AND GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "not stated"],
)
def test_what_may_not(stated: str) -> None:
    assert supply_chain.licence_problems("a-library", stated)


def test_a_known_exception_is_one_only_under_the_licence_that_was_looked_at() -> None:
    for name, (known, reason) in supply_chain.EXCEPTIONS.items():
        assert supply_chain.licence_problems(name, known) == []
        assert supply_chain.licence_problems(name, "AGPL-3.0")
        assert f"| {name} | {known} | {reason} |" in supply_chain.LICENCES.read_text(encoding="utf-8")
