"""Why something is refused: raised by name, said in English by the interface and in the language of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from cdss.errors import NotAllowed, NotFound
from reference_db.errors import FieldProblem, InvalidInput


@cache
def reasons() -> Mapping[str, Mapping[str, str]]:
    """Return the reasons per language, and the faults of fields in French under ``field``."""
    text = resources.files("cdss.evaluation").joinpath("reasons.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = yaml.safe_load(text)
    return loaded


def _english(reason: str, values: Mapping[str, object]) -> str:
    plain = {name: _joined(value) for name, value in values.items()}
    return reasons()["en"][reason].format(**plain)


def _joined(value: object) -> object:
    if isinstance(value, Reason):
        return value.english
    if isinstance(value, list | tuple):
        return ", ".join(str(_joined(part)) for part in value)
    return value


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason by its name in ``reasons.yaml``, with what fills its placeholders.

    Attributes
    ----------
    name : str
    values : mapping of str to object
        Terms of the pages, numbers, other reasons, or lists of them.
    """

    name: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def english(self) -> str:
        """The reason in English."""
        return _english(self.name, self.values)


class Refusal(NotAllowed):
    """The caller may not do this, or not in this state, for a reason that has a name."""

    def __init__(self, name: str, **values: object) -> None:
        self.reason = Reason(name, values)
        super().__init__(self.reason.english)


class Unknown(NotFound):
    """There is nothing of that name, for a reason that has a name."""

    def __init__(self, name: str, **values: object) -> None:
        self.reason = Reason(name, values)
        super().__init__(self.reason.english)


@dataclass(frozen=True, slots=True)
class Fault(FieldProblem):
    """What is wrong with a field, for a reason that has a name: ours, or that of a type of error of pydantic."""

    reason: Reason = field(default_factory=lambda: Reason("other"))


def fault(name: str, reason: str, allowed: str = "", **values: object) -> Fault:
    """Return what is wrong with the field of that name."""
    why = Reason(reason, {**values, "allowed": allowed})
    return Fault(name, why.english, allowed, why)


def invalid(name: str, reason: str, allowed: str = "", **values: object) -> InvalidInput:
    """Return the error of a single field."""
    return InvalidInput([fault(name, reason, allowed, **values)])


def flaw(reason: str, **values: object) -> PydanticCustomError:
    """Return what a validator raises."""
    why = Reason(reason, values)
    # What the message holds already would otherwise be looked for in it as a placeholder.
    return PydanticCustomError("flaw", "{english}", {"english": why.english, "reason": why})


def flaws(found: Sequence[Reason]) -> PydanticCustomError:
    """Return several flaws as one."""
    why = Reason("several", {"faults": tuple(found)})
    english = "; ".join(one.english for one in found)
    return PydanticCustomError("flaw", "{english}", {"english": english, "reason": why})


def faults_of(error: ValidationError, *, whole: str = "") -> Iterable[Fault]:
    """Return what pydantic found wrong, field by field; `whole` names what has no field."""
    for found in error.errors():
        context: dict[str, Any] = found.get("ctx", {})
        why = context.get("reason") or Reason(found["type"], context)
        yield Fault(".".join(str(part) for part in found["loc"]) or whole, found["msg"], "", why)
