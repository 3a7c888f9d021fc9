"""The requirements of CDS Hooks 2.0 on a service, and which test covers each."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

LIST = Path(__file__).with_name("cds_hooks_2.0_requirements.csv")

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Requirement:
    number: int
    section: str
    conformance: str
    says: str


def requirements() -> list[Requirement]:
    with LIST.open(encoding="utf-8", newline="") as lines:
        return [
            Requirement(int(row["id"]), row["section"], row["conformance"], row["requirement"])
            for row in csv.DictReader(lines)
        ]


def covers(*numbers: int) -> Callable[[Function], Function]:
    """Say which requirements a test covers."""

    def mark(test: Function) -> Function:
        test.covers = numbers  # type: ignore[attr-defined]  # read back by the table
        return test

    return mark
