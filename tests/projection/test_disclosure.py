"""What leaves: rounded, withheld, and of no use to somebody who filters and takes differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projection import Projector
from projection.disclosure import DisclosedProjector
from projection.result import Curve, Projection
from reference_db.small_cells import MEAN_DEVIATION, ROUNDING, SMALL_CELL
from reference_db.vocabulary import SourceKind, Treatment
from selection import Criteria, PatientOfInterest
from tests.episodes import MemoryRelease, random_episodes

POI = PatientOfInterest(age=34, phenotype="RRMS", edss=2.5, sex="female", relapses_12m=1)


@pytest.fixture(scope="module")
def release() -> MemoryRelease:
    return MemoryRelease(random_episodes(1200, seed=4))


@pytest.fixture(scope="module")
def exact(release: MemoryRelease) -> Projector:
    return Projector(release)


@pytest.fixture(scope="module")
def disclosed(release: MemoryRelease) -> DisclosedProjector:
    return DisclosedProjector(release)


def _curves(projection: Projection) -> list[tuple[Curve, bool]]:
    found: list[tuple[Curve, bool]] = []
    for part in projection.classes:
        if part.edss is not None:
            found.append((part.edss.expected, False))
        found += [(curve, True) for curve in part.probabilities.values()]
    return found


def test_every_count_is_rounded_or_withheld_and_every_share_in_whole_per_cent(disclosed: DisclosedProjector) -> None:
    projection = disclosed.project(POI, k=60)
    for part in projection.classes:
        for count in (part.n, part.n_eligible, *part.sources.values()):
            assert count % ROUNDING == 0
            assert count == 0 or count >= SMALL_CELL
    for curve, shares in _curves(projection):
        assert set(curve.n % ROUNDING) == {0}
        withheld = curve.n == 0
        assert np.isnan(curve.value[withheld]).all()
        if shares:
            percent = curve.value[~withheld] * 100
            np.testing.assert_allclose(percent, np.round(percent), atol=1e-9)


def test_what_is_given_out_is_close_to_what_was_computed(exact: Projector, disclosed: DisclosedProjector) -> None:
    pairs = zip(exact.project(POI, k=60).classes, disclosed.project(POI, k=60).classes, strict=True)
    for true, shown in pairs:
        assert abs(true.n_eligible - shown.n_eligible) < ROUNDING
        if true.edss is not None and shown.edss is not None:
            seen = shown.edss.expected.n > 0
            moved = shown.edss.expected.value[seen] - true.edss.expected.value[seen]
            assert np.abs(moved).max() <= MEAN_DEVIATION
            assert len(set(moved.round(12))) > len(moved) / 2
            assert (moved[shown.edss.expected.months[seen] == 0] == 0).all()
            width = true.edss.expected.upper[seen] - true.edss.expected.lower[seen]
            inner = shown.edss.expected.upper[seen] - shown.edss.expected.lower[seen]
            assert (inner <= width + 1e-9).all()
        for name, curve in shown.probabilities.items():
            seen = curve.n > 0
            gap = np.abs(true.probabilities[name].value[seen] - curve.value[seen])
            assert np.nanmax(gap, initial=0) <= 0.005 + 1e-9


def test_two_means_do_not_tell_what_the_patient_between_them_is_like(
    exact: Projector, disclosed: DisclosedProjector
) -> None:
    """Whoever asks for one patient more each time misses the value of the added one, on a scale of half steps."""

    def added(projector: Projector, k: int) -> float:
        # With known numbers behind both means, which those who ask are not even told.
        means = []
        for size in (k, k + 1):
            course = projector.project(POI, k=size, classes=["natalizumab"], estimator="plain").classes[0].edss
            truly = exact.project(POI, k=size, classes=["natalizumab"], estimator="plain").classes[0].edss
            assert course is not None
            assert truly is not None
            month = int(np.flatnonzero(course.expected.months == 24)[0])
            means.append((float(course.expected.value[month]), int(truly.expected.n[month])))
        (before, n), (after, more) = means
        return (after - POI.edss) * more - (before - POI.edss) * n

    sizes = range(30, 90)
    true = np.array([added(exact, k) for k in sizes])
    guessed = np.array([added(disclosed, k) for k in sizes])
    assert np.allclose(true * 2, np.round(true * 2), atol=1e-6)
    found = np.round(guessed * 2) == np.round(true * 2)
    assert found.mean() < 0.5


def test_asking_again_gives_the_same_answer(disclosed: DisclosedProjector) -> None:
    first, again = (disclosed.project(POI, k=60) for _ in range(2))
    assert [part.n_eligible for part in first.classes] == [part.n_eligible for part in again.classes]


def test_other_weights_do_not_draw_the_rounding_again(disclosed: DisclosedProjector) -> None:
    """Who asks with many weights has the same eligible patients each time: averaging must not give their number."""
    criteria = Criteria(calipers={"age": 10.0})
    answers = {
        tuple(part.n_eligible for part in disclosed.project(POI, weights={"age": w}, criteria=criteria).classes)
        for w in (0.5, 1.0, 1.5, 2.0)
    }
    assert len(answers) == 1


def test_eligible_rows_are_those_that_the_selector_counts(disclosed: DisclosedProjector) -> None:
    for criteria in (
        Criteria(),
        Criteria(same=("phenotype", "sex"), calipers={"age": 5.0, "edss": 1.0}),
        Criteria(source_kinds=(SourceKind.TRIAL,), calipers={"years_since_onset": 3.0, "relapses_12m": 1}),
    ):
        selected = disclosed.selector.select(POI, criteria=criteria)
        for part in selected.classes:
            assert len(disclosed.eligible_rows(selected, part.treatment)) == part.n_eligible


def test_contrasts_are_rounded_too(disclosed: DisclosedProjector) -> None:
    compared = disclosed.contrast(POI, k=60)
    for each in compared.contrasts:
        assert each.n % ROUNDING == 0
        for risk in each.risks.values():
            assert risk.value * 100 == pytest.approx(round(risk.value * 100), abs=1e-9)


@given(start=st.floats(2, 8), width=st.floats(0.05, 1.5), treatment=st.sampled_from(list(Treatment)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_few_patients_between_two_calipers_cannot_be_counted(
    disclosed: DisclosedProjector, start: float, width: float, treatment: Treatment
) -> None:
    """The difference of two answers leaves several sizes possible for what lies between them, zero aside."""
    answers = []
    for caliper in (start, start + width):
        (part,) = disclosed.project(POI, classes=[treatment], criteria=Criteria(calipers={"age": caliper})).classes
        assert part.n_eligible % ROUNDING == 0
        assert part.n_eligible == 0 or part.n_eligible >= SMALL_CELL
        answers.append(part.n_eligible)
    inner, outer = answers
    if inner and outer != inner:
        least = max(0, (outer - ROUNDING + 1) - (inner + ROUNDING - 1))
        most = (outer + ROUNDING - 1) - (inner - ROUNDING + 1)
        assert most - least >= ROUNDING


def test_a_refusal_does_not_tell_an_exact_count(disclosed: DisclosedProjector) -> None:
    for caliper in np.arange(0.5, 6.0, 0.5):
        for part in disclosed.project(POI, criteria=Criteria(calipers={"age": float(caliper)})).classes:
            if part.refusal is not None:
                numbers = [int(word) for word in part.refusal.split() if word.isdigit()]
                assert all(number % ROUNDING == 0 for number in numbers), part.refusal


def test_what_patients_of_reference_are_like_is_given_out_by_the_same_rule(disclosed: DisclosedProjector) -> None:
    explained = disclosed.explain(disclosed.selector.select(POI, k=60))
    for part in explained.classes:
        for count in (part.n, part.n_eligible, part.n_within_caliper, *part.sources.values()):
            assert count % ROUNDING == 0
            assert count == 0 or count >= SMALL_CELL
        for feature in part.features:
            for share in (feature.known, *feature.shares.values()):
                assert share * 100 == pytest.approx(round(share * 100), abs=1e-9)
