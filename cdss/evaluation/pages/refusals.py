"""Refusals in the language of a page."""

from __future__ import annotations

from cdss.evaluation.pages.frame import Words
from cdss.evaluation.reasons import Fault, Reason, Refusal, Unknown, reasons
from reference_db.errors import CdssError, FieldProblem, InvalidInput

_LABELS = {
    **{
        name: name for name in ("age", "phenotype", "edss", "sex", "reason", "minutes", "relapses", "worsening_month")
    },
    **{name: name for name in ("kind", "severity", "relation", "course", "deficiency", "day", "serious", "name")},
    **{"cluster": "neurologist", "month": "visit", "detail": "treatment", "protocol": "protocol_yaml"},
    "seed": "rehearsal_seed",
}
"""Fields of the forms, with the text that labels them; a field of a protocol is called what its file calls it."""


def said(say: Words, error: CdssError) -> str:
    """Return why something was refused, one line for each fault; not escaped."""
    if isinstance(error, InvalidInput):
        return "\n".join(_said_of_field(say, problem) for problem in error.problems)
    if isinstance(error, Refusal | Unknown):
        return _filled(say, error.reason)
    return str(error)


def _said_of_field(say: Words, problem: FieldProblem) -> str:
    # What is wrong between fields belongs to none of them.
    before = f"{_label(say, problem.field)}{say.texts['colon']} " if problem.field else ""
    if say.language == "en" or not isinstance(problem, Fault):
        allowed = f" ({say.texts['allowed_values']}{say.texts['colon']} {problem.allowed})" if problem.allowed else ""
        return f"{before}{problem.message}{allowed}"
    return f"{before}{_filled(say, problem.reason)}"


def _label(say: Words, name: str) -> str:
    """Return the label of a field on its form; the name itself where it has none."""
    last = name.rpartition(".")[2]
    return say.texts[_LABELS[last]] if last in _LABELS else name


def _filled(say: Words, reason: Reason) -> str:
    texts = reasons()
    ours = texts[say.language].get(reason.name)
    template = ours if ours is not None else texts["field"].get(reason.name, texts["field"]["other"])
    return template.format(**{name: _value(say, value) for name, value in reason.values.items()})


def _value(say: Words, value: object) -> str:
    if isinstance(value, Reason):
        return _filled(say, value)
    if isinstance(value, list | tuple):
        return ("; " if any(isinstance(part, Reason) for part in value) else ", ").join(
            _value(say, part) for part in value
        )
    if isinstance(value, float):
        number = f"{value:g}"
        return number.replace(".", ",") if say.language == "fr" else number
    return say.texts.get(f"term {value}", str(value))
