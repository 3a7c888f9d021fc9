"""The result of the last calibration, as it is shipped beside the parameters that it is about."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import yaml

RESULT_FILE = "result.yaml"

_INTRODUCTION = "# Written by `cdss calibrate`; do not edit. What docs/calibration.md counts, for whoever shows it.\n"


class Result(NamedTuple):
    """How many published figures the simulated sources meet.

    Attributes
    ----------
    met : int
        Figures read in a publication whose simulated counterpart meets them.
    published : int
        Figures read in a publication.
    first_seed, last_seed : int
        Of the simulations behind the comparison.
    parameters : str
        SHA-256 of the parameter table that was judged, 64 hexadecimal digits.
    """

    met: int
    published: int
    first_seed: int
    last_seed: int
    parameters: str


def shipped_table() -> Path:
    """Return where the parameter table that builds read stands."""
    return Path(str(resources.files("reference_db.sources.simulated"))) / "calibrated.csv"


def digest(table: Path) -> str:
    """Return the SHA-256 of a parameter table, as 64 hexadecimal digits."""
    return hashlib.sha256(table.read_bytes()).hexdigest()


def result_as_text(result: Result) -> str:
    """Return a result as the file that is shipped."""
    return _INTRODUCTION + yaml.safe_dump(result._asdict(), sort_keys=False)


def packaged_result() -> Result | None:
    """Return the shipped result; None where the shipped parameters are not those that it judged."""
    source = resources.files("validation.calibration").joinpath(RESULT_FILE).read_text(encoding="utf-8")
    result = Result(**yaml.safe_load(source))
    return result if result.parameters == digest(shipped_table()) else None
