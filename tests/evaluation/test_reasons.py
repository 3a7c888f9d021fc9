"""Every refusal has its words in both languages, and the pages say them in the language of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from cdss.evaluation import forms
from cdss.evaluation.pages import said, words
from cdss.evaluation.reasons import Fault, Refusal, faults_of, reasons
from reference_db.errors import InvalidInput

SOURCE = Path(__file__).parents[2] / "cdss"
RAISED = re.compile(r"\b(?:Refusal|Unknown|Reason|flaw)\(\s*\"(\w+)\"|\b(?:fault|invalid)\(\s*[^,]+,\s*\"(\w+)\"")


def test_both_languages_have_the_same_reasons() -> None:
    english, french = reasons()["en"], reasons()["fr"]
    assert english.keys() == french.keys()
    for name, text in english.items():
        extra = set(re.findall(r"\{\w+\}", french[name])) - set(re.findall(r"\{\w+\}", text))
        assert extra <= {"{allowed}"}, name


def test_every_reason_that_is_raised_has_its_words_and_every_word_its_use() -> None:
    files = [*SOURCE.glob("evaluation/**/*.py"), *SOURCE.glob("api/evaluation*.py")]
    raised = {a or b for path in files for a, b in RAISED.findall(path.read_text(encoding="utf-8"))}
    assert len(raised) > 50
    assert raised - {"other"} <= reasons()["en"].keys()
    assert reasons()["en"].keys() - raised == set()


def test_no_refusal_of_the_conduct_is_without_a_name() -> None:
    """A plain NotAllowed would be shown in English on a French page."""
    for path in (SOURCE / "evaluation" / "conduct").glob("*.py"):
        assert not re.search(r"raise (?:NotAllowed|NotFound|InvalidInput\.of|ValueError)\(", path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"age": "7", "phenotype": "RRMS", "edss": "2"}, "Âge, années\u00a0: doit être au moins 18"),
        ({"age": "40", "phenotype": "RRMS", "edss": "2.3"}, "EDSS 2,3 n'est pas sur l'échelle"),
        ({"age": "40", "phenotype": "XX", "edss": "2"}, "Phénotype\u00a0: doit être l'un de"),
        ({"age": "x", "edss": "2"}, "Âge, années\u00a0: n'est pas un nombre\nPhénotype\u00a0: est à remplir"),
    ],
)
def test_faults_of_a_form_are_said_in_french(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        forms.Baseline.model_validate(given)
    shown = said(words("fr"), InvalidInput(tuple(faults_of(raised.value))))
    assert told in shown
    assert not shown.startswith(("\u00a0", ":", " "))


def test_every_kind_of_fault_that_a_form_can_have_is_known_in_french() -> None:
    """What is unknown is said to be unusable, which helps nobody."""
    wrong: list[tuple[type, object]] = [
        (forms.Enrolment, {"cluster": "", "consent": 1, "baseline": {"age": 7}, "factors": 3, "more": 1}),
        (forms.Baseline, {"age": 200, "phenotype": "x", "edss": 11, "relapses_12m": 1.5}),
        (forms.Outcome, {"month": "x", "relapses": None, "worsening_month": 0}),
        (forms.Event, {"kind": "danced", "seconds": -1, "detail": "<b>"}),
        (forms.Event, {"kind": "viewed", "seconds": 99_999, "detail": "x" * 41}),
        (forms.Answers, {"answers": []}),
    ]
    kinds = set()
    for model, document in wrong:
        with pytest.raises(ValidationError) as raised:
            model.model_validate(document)
        kinds |= {fault["type"] for fault in raised.value.errors()}
    assert len(kinds) > 12
    assert kinds - {"flaw"} <= reasons()["field"].keys()


def test_terms_within_a_reason_are_translated() -> None:
    refusal = Refusal("unscheduled", instrument="SUS", respondent="neurologist", moment="before")
    assert str(refusal).endswith("SUS for the neurologist before this consultation")
    assert said(words("fr"), refusal) == "le protocole ne prévoit pas SUS (neurologue, avant) pour cette consultation"
    assert isinstance(next(iter(faults_of(_error()))), Fault)


def _error() -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        forms.Withdrawal.model_validate({})
    return raised.value
