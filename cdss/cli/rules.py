"""Rules between and within the columns of a table, read from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from reference_db.constraints import AtMost, Constraint, NothingAfter, Range, Scale
from reference_db.errors import FieldProblem, InvalidInput


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Bounds(_Rule):
    column: str
    low: float = float("-inf")
    high: float = float("inf")
    whole: bool = False

    def rule(self) -> Constraint:
        return Range(self.column, self.low, self.high, self.whole)


class _Values(_Rule):
    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    values: Annotated[tuple[float, ...], Field(min_length=2)]

    def rule(self) -> Constraint:
        return Scale(", ".join(self.columns), self.columns, tuple(sorted(self.values)))


class _AtMost(_Rule):
    column: str
    at_most: str

    def rule(self) -> Constraint:
        return AtMost(self.column, self.at_most)


class _NothingAfter(_Rule):
    nothing_after: str
    times: Annotated[dict[str, float], Field(min_length=1)]

    def rule(self) -> Constraint:
        return NothingAfter(self.nothing_after, self.times)


_KINDS: dict[str, type[_Bounds | _Values | _AtMost | _NothingAfter]] = {
    "values": _Values,
    "at_most": _AtMost,
    "nothing_after": _NothingAfter,
}
_ALLOWED = "a list of {column, low, high, whole}, {columns, values}, {column, at_most} or {nothing_after, times}"


def read_rules(path: Path | None) -> tuple[Constraint, ...]:
    """Return the rules of a YAML file, in its order; none without a file.

    Raises
    ------
    InvalidInput
        If the file cannot be read, or naming each rule that is not one.
    """
    if path is None:
        return ()
    try:
        given = TypeAdapter(list[dict[str, Any]]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise InvalidInput.of("rules", f"{path} cannot be read", _ALLOWED) from error
    rules, problems = [], []
    for number, entry in enumerate(given):
        kind = next((kind for key, kind in _KINDS.items() if key in entry), _Bounds)
        try:
            rules.append(kind.model_validate(entry).rule())
        except ValidationError as error:
            problems += [
                FieldProblem(f"rules[{number}].{'.'.join(map(str, found['loc']))}", found["msg"], _ALLOWED)
                for found in error.errors()
            ]
    if problems:
        raise InvalidInput(problems)
    return tuple(rules)
