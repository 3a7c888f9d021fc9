"""Questions that wait for each other are answered together, and each gets its own answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from cdss.reference import MOST_TOGETHER, Reference
from cdss.settings import Settings
from projection import Projection
from projection.disclosure import DisclosedProjector
from reference_db.errors import CdssError, InvalidInput
from reference_db.vocabulary import Phenotype
from selection import PatientOfInterest

REFUSED = 66


class Slow:
    """Answers with the age of each patient as k, after a while, and refuses one age."""

    def __init__(self) -> None:
        self.together: list[list[int]] = []

    def project_many(self, patients: Sequence[PatientOfInterest], **options: object) -> list[Projection]:
        ages = [int(patient.age) for patient in patients]
        self.together.append(ages)
        time.sleep(0.02)
        if REFUSED in ages:
            raise InvalidInput.of("age", "is refused", "another")
        return [Projection("r1", age, {}, (), (str(options["estimator"]),)) for age in ages]


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def reference(slow: Slow, tmp_path: Path) -> Reference:
    return Reference(Settings(home=tmp_path), _projector=cast("DisclosedProjector", slow))


def _ask(
    reference: Reference, questions: Sequence[tuple[int, str]], **more: object
) -> list[Projection | BaseException]:
    async def asking() -> list[Projection | BaseException]:
        patients = [PatientOfInterest(age=age, phenotype=Phenotype.RRMS, edss=2.0) for age, _ in questions]
        options: list[dict[str, Any]] = [{"estimator": estimator} for _, estimator in questions]
        for asked in options:
            asked.update(more)
        each = (reference.project(patient, asked) for patient, asked in zip(patients, options, strict=True))
        return await asyncio.gather(*each, return_exceptions=True)

    return asyncio.run(asking())


def test_those_who_wait_are_answered_together_and_each_gets_the_own_answer(slow: Slow, reference: Reference) -> None:
    ages = list(range(20, 40))
    answers = _ask(reference, [(age, "corrected") for age in ages])
    assert [cast("Projection", answer).k for answer in answers] == ages
    assert sorted(age for batch in slow.together for age in batch) == ages
    assert len(slow.together) < len(ages) / 2
    assert max(map(len, slow.together)) <= MOST_TOGETHER


def test_only_those_who_ask_the_same_way_are_answered_together(slow: Slow, reference: Reference) -> None:
    questions = [(20 + number, ("corrected", "plain")[number % 2]) for number in range(12)]
    answers = _ask(reference, questions)
    assert [cast("Projection", answer).caveats for answer in answers] == [(estimator,) for _, estimator in questions]
    for batch in slow.together:
        assert len({age % 2 for age in batch}) == 1


@pytest.mark.parametrize(("k", "most"), [(None, MOST_TOGETHER), (400, MOST_TOGETHER // 2), (5000, 1), (-1, 8)])
def test_large_questions_are_answered_in_small_company(
    slow: Slow, reference: Reference, k: int | None, most: int
) -> None:
    _ask(reference, [(age, "corrected") for age in range(20, 40)], k=k)
    assert max(map(len, slow.together)) == most


def test_what_is_wrong_with_one_question_is_said_to_nobody_else(slow: Slow, reference: Reference) -> None:
    ages = [20, 21, REFUSED, 22, 23]
    answers = _ask(reference, [(age, "corrected") for age in ages])
    refused = [answer for answer in answers if isinstance(answer, CdssError)]
    assert len(refused) == 1
    assert answers[2] is refused[0]
    assert [answer.k for answer in answers if isinstance(answer, Projection)] == [20, 21, 22, 23]


def test_one_who_goes_away_does_not_take_the_others_along(slow: Slow, reference: Reference) -> None:
    async def asking() -> list[Projection | BaseException]:
        def question(age: int) -> asyncio.Task[Projection]:
            patient = PatientOfInterest(age=age, phenotype=Phenotype.RRMS, edss=2.0)
            return asyncio.create_task(reference.project(patient, {"estimator": "corrected"}))

        tasks = [question(age) for age in range(20, 30)]
        await asyncio.sleep(0.03)
        tasks[0].cancel()
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(asking())
    assert [answer.k for answer in answers[2:] if isinstance(answer, Projection)] == list(range(22, 30))
