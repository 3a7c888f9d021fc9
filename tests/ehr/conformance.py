"""The conformance table of the documentation, made from the requirements and the tests that cover them.

Written again by ``python -m tests.ehr.conformance``.
"""

from __future__ import annotations

from pathlib import Path

from tests.ehr import test_cds_hooks_requirements, test_client_trust
from tests.ehr.requirements import requirements

PAGE = Path(__file__).parents[2] / "docs" / "conformance-cds-hooks.md"

_HEAD = """\
# Conformance with CDS Hooks 2.0

Every requirement of [CDS Hooks 2.0](https://cds-hooks.hl7.org/2.0/) on a service, in our words and under the numbers
of its published list of requirements, with the tests that cover it. This page is generated from the tests
(`python -m tests.ehr.conformance`), and a test fails when it is out of date or a requirement is not covered.

The service makes no suggestions and asks for no actions: it describes, and does not recommend. The requirements on
suggestions and actions are met by sending none, and by a check of every answer against a schema that would see a
malformed one.

| No. | Level | Section | Requirement | Tests |
|---:|---|---|---|---|
"""


def covering() -> dict[int, list[str]]:
    """Return the names of the tests that cover each requirement."""
    found: dict[int, list[str]] = {}
    for module in (test_cds_hooks_requirements, test_client_trust):
        for name, test in sorted(vars(module).items()):
            for number in getattr(test, "covers", ()):
                found.setdefault(number, []).append(name)
    return found


def page() -> str:
    """Return the page."""
    tests = covering()
    rows = []
    for one in requirements():
        names = "<br>".join(name.removeprefix("test_").replace("_", " ") for name in tests.get(one.number, ()))
        rows.append(f"| {one.number} | {one.conformance} | {one.section} | {one.says} | {names} |")
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
