"""What leaves: rounded, withheld, and of no use to somebody who filters and takes differences."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from projection import Projector
from projection.disclosure import DisclosedProjector
from projection.result import Curve, Projection
from reference_db.errors import InvalidInput
from reference_db.small_cells import LEFT_OUT, MEAN_DEVIATION, POINT_STEP, ROUNDING, SHARE_STEP, SMALL_CELL
from reference_db.vocabulary import SourceKind
from selection import Criteria, PatientOfInterest
from selection.explanation import explain
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


@pytest.mark.parametrize("criteria", [Criteria(), Criteria(baselines="every_visit")])
def test_every_count_is_rounded_or_withheld_and_every_share_in_whole_per_cent(
    disclosed: DisclosedProjector, criteria: Criteria
) -> None:
    projection = disclosed.project(POI, k=60, criteria=criteria)
    assert projection.baselines == criteria.baselines
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


def test_what_is_given_out_is_what_was_computed_of_the_patients_left_in(disclosed: DisclosedProjector) -> None:
    """To the step or deviation of the rule; how far counts are moved, five times its standard deviation bounds."""
    thinned = Projector.project(disclosed, POI, k=60)
    pairs = zip(thinned.classes, disclosed.project(POI, k=60).classes, strict=True)
    for true, shown in pairs:
        for count, told in ((true.n_eligible, shown.n_eligible), (true.n, shown.n)):
            assert abs(count - told) < ROUNDING + 5 * np.sqrt(count * 2 / 3)
        assert shown.n <= 60
        if true.edss is not None and shown.edss is not None:
            seen = shown.edss.expected.n > 0
            moved = shown.edss.expected.value[seen] - true.edss.expected.value[seen]
            assert np.abs(moved).max() <= MEAN_DEVIATION
            assert (moved[shown.edss.expected.months[seen] == 0] == 0).all()
            assert np.abs(shown.edss.p25[seen] - true.edss.p25[seen]).max() <= POINT_STEP / 2 + 1e-9
        for name, curve in shown.probabilities.items():
            seen = curve.n > 0
            gap = np.abs(true.probabilities[name].value[seen] - curve.value[seen])
            assert np.nanmax(gap, initial=0) <= SHARE_STEP / 2 + 1e-9


@pytest.mark.parametrize(
    "criteria", [Criteria(), Criteria(calipers={"age": 15.0}), Criteria(baselines="every_visit")]
)
def test_those_who_are_answered_together_are_answered_as_each_alone(
    disclosed: DisclosedProjector, criteria: Criteria
) -> None:
    pois = [
        PatientOfInterest(age=age, phenotype=phenotype, edss=edss)
        for age, phenotype, edss in [(34, "RRMS", 2.5), (70, "RRMS", 8.0), (34, "PPMS", 2.5), (41, "RRMS", 0.0)]
    ]
    together = disclosed.project_many(pois, k=60, criteria=criteria)
    for poi, answer in zip(pois, together, strict=True):
        alone = disclosed.project(poi, k=60, criteria=criteria)
        for part, other in zip(answer.classes, alone.classes, strict=True):
            assert (part.n, part.n_eligible, part.refusal) == (other.n, other.n_eligible, other.refusal)
            assert part.sources == other.sources
        for (curve, _), (other_curve, _) in zip(_curves(answer), _curves(alone), strict=True):
            assert np.array_equal(curve.n, other_curve.n)
            np.testing.assert_allclose(curve.value, other_curve.value, rtol=1e-12)
            np.testing.assert_allclose(curve.upper, other_curve.upper, rtol=1e-12)


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
        Criteria(baselines="every_visit", calipers={"age": 5.0}),
    ):
        asked = disclosed.asked(criteria)
        selected = asked.selector.select(POI, criteria=criteria)
        for part in selected.classes:
            assert len(asked.eligible_rows(selected, part.treatment)) == part.n_eligible


def test_every_visit_counts_patients_and_a_patient_left_out_is_out_with_all_visits(
    disclosed: DisclosedProjector,
) -> None:
    criteria = Criteria(baselines="every_visit")
    asked = disclosed.asked(criteria)
    assert asked is not disclosed
    assert asked is disclosed.asked(criteria)
    patient = asked.selector.patient
    assert patient is not None
    assert (asked.cells.of_rows == disclosed.cells.of_rows[patient]).all()
    selected = asked.select(POI, k=60, criteria=criteria)
    start = disclosed.select(POI, k=60)
    met_later = 0
    for part, before in zip(selected.classes, start.classes, strict=True):
        assert len(set(patient[part.rows])) == len(part.rows)
        # The same patients are eligible: a later visit makes nobody another patient.
        assert part.n_eligible == before.n_eligible
        met_later += int((np.diff(patient, prepend=-1)[part.rows] == 0).sum())
    assert met_later
    explained = disclosed.explain(POI, k=60, criteria=criteria)
    assert {explained.baselines, disclosed.contrast(POI, k=60, criteria=criteria).baselines} == {"every_visit"}
    for one, rows in zip(selected.classes, asked.selector.rows_within(selected), strict=True):
        assert len(set(patient[rows])) == len(rows)
        assert set(patient[one.rows]) <= set(patient[rows])


def test_rows_that_are_not_held_are_refused_and_answers_say_what_they_rest_on(
    release: MemoryRelease, exact: Projector
) -> None:
    with pytest.raises(InvalidInput, match="every_visit is not what is held here"):
        exact.project(POI, criteria=Criteria(baselines="every_visit"))
    assert Projector(release, every_visit=True).project(POI).baselines == "every_visit"


def test_contrasts_are_rounded_too(disclosed: DisclosedProjector) -> None:
    compared = disclosed.contrast(POI, k=60)
    for each in compared.contrasts:
        assert each.n % ROUNDING == 0
        for risk in each.risks.values():
            assert risk.value * 100 == pytest.approx(round(risk.value * 100), abs=1e-9)


def test_that_a_class_has_no_more_patients_does_not_show_in_answers_that_stay_the_same(
    disclosed: DisclosedProjector,
) -> None:
    """Whoever asks for more and more patients would see from where on nothing changes how many there are."""
    criteria = Criteria(calipers={"age": 10.0})
    answers = [disclosed.project(POI, k=k, classes=["natalizumab"], criteria=criteria).classes[0] for k in (400, 401)]
    courses = [part.edss.expected.value for part in answers if part.edss is not None]
    assert len(courses) == 2
    assert not np.array_equal(courses[0], courses[1], equal_nan=True)


def test_a_refusal_does_not_tell_an_exact_count(disclosed: DisclosedProjector) -> None:
    asked = [Criteria(calipers={"age": float(caliper)}) for caliper in np.arange(0.5, 6.0, 0.5)]
    asked += [Criteria(largest_distance=float(distance)) for distance in np.arange(0.1, 0.7, 0.1)]
    told = 0
    for criteria in asked:
        for each in (
            *disclosed.project(POI, criteria=criteria).classes,
            *disclosed.contrast(POI, criteria=criteria).contrasts,
            *disclosed.explain(POI, criteria=criteria).classes,
        ):
            if each.refusal is not None:
                words = each.refusal.partition("(distance")[0].partition("at least")[0].replace(",", "").split()
                numbers = [int(word) for word in words if word.isdigit()]
                assert all(number % ROUNDING == 0 for number in numbers), each.refusal
                told += len(numbers)
        for each in (
            *disclosed.project(POI, criteria=criteria).classes,
            *disclosed.explain(POI, criteria=criteria).classes,
        ):
            # Two numbers of the same patients, moved otherwise, would tell more than one.
            assert each.n <= each.n_eligible
    assert told > 100


def test_what_patients_of_reference_are_like_is_given_out_by_the_same_rule(disclosed: DisclosedProjector) -> None:
    explained = disclosed.explain(POI, k=60)
    for part in explained.classes:
        for count in (part.n, part.n_eligible, part.n_within_caliper, *part.sources.values()):
            assert count % ROUNDING == 0
            assert count == 0 or count >= SMALL_CELL
        for feature in part.features:
            for share in (feature.known, *feature.shares.values()):
                assert share * 100 == pytest.approx(round(share * 100), abs=1e-9)


def test_distances_of_single_patients_are_not_given_out(disclosed: DisclosedProjector) -> None:
    """Whoever moves the patient of interest until the nearest is at no distance would have found a record."""
    selected = disclosed.select(POI, k=60)
    for part, chosen in zip(disclosed.explain(POI, k=60).classes, selected.classes, strict=True):
        assert part.distance[0] == pytest.approx(chosen.distance[:SMALL_CELL].mean(), abs=0.005)
        assert part.distance[0] > chosen.distance[0] + 0.005


def _figures(projector: Projector, poi: PatientOfInterest, k: int) -> dict[str, float]:
    """Return every kind of figure about one class that is asked of one patient of interest."""
    asked = {"k": k, "classes": ["natalizumab", "glatiramer acetate"]}
    selected = projector.select(poi, **asked)
    explained = (
        projector.explain(poi, **asked)
        if isinstance(projector, DisclosedProjector)
        else explain(projector.selector, selected)
    )
    found: dict[str, float] = {}
    part = projector.project(poi, estimator="plain", **asked).classes[0]
    assert part.edss is not None
    month = int(np.flatnonzero(part.edss.expected.months == 24)[0])
    course = part.edss.expected
    found["EDSS mean"] = course.value[month]
    found["EDSS width"] = course.upper[month] - course.lower[month]
    found |= {f"EDSS {name}": getattr(part.edss, name)[month] for name in ("p10", "p25", "median", "p75", "p90")}
    for name in ("worsening_24w", "relapse"):
        found[f"share {name}"] = part.probabilities[name].value[month]
        found[f"width {name}"] = part.probabilities[name].upper[month] - part.probabilities[name].lower[month]
    if part.annualised_relapse_rate is not None:
        found["relapse rate"] = part.annualised_relapse_rate.value
    (against,) = projector.contrast(poi, reference="glatiramer acetate", estimator="plain", **asked).contrasts
    found |= {f"hazard {name}": one.value for name, one in against.hazard_ratios.items()}
    found |= {f"months {name}": one.value for name, one in against.event_free_months.items()}
    of_class = next(one for one in explained.classes if one.treatment == part.treatment)
    for feature in of_class.features:
        for name in ("mean", "p25", "p75", "standardised_difference"):
            value = getattr(feature, name)
            if value is not None:
                found[f"{feature.feature} {name}"] = value
        found |= {f"{feature.feature} {level}": share for level, share in feature.shares.items()}
    found |= {f"distance {at}": value for at, value in enumerate(of_class.distance)}
    for name, differences in explained.balance.items():
        found[f"balance {name}"] = differences[0, 1]
    return found


def test_no_figure_tells_what_the_patient_is_like_by_whom_two_questions_differ(
    exact: Projector, disclosed: DisclosedProjector
) -> None:
    """Whoever asks for one patient more each time learns from exact figures by how much that patient moves them.

    From those that leave, a tenth of that: the variance of ten patients who come and go stands against that of one.
    """
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    sizes = range(30, 48)
    exactly = [_figures(exact, POI, k + LEFT_OUT) for k in sizes]
    given = [_figures(disclosed, POI, k) for k in sizes]
    for true, further, shown, more in zip(exactly, exactly[1:], given, given[1:], strict=False):
        for name in true.keys() & further.keys() & shown.keys() & more.keys():
            series[name].append((further[name] - true[name], more[name] - shown[name]))
    told, close = [], []
    for pairs in series.values():
        moved, seen = np.array(pairs)[np.isfinite(pairs).all(axis=1)].T
        changed = np.abs(moved) > 1e-9
        close += (np.abs(seen - moved)[changed] < 0.25 * np.abs(moved[changed])).tolist()
        if changed.sum() >= 12 and seen.any():
            # What is the same each time, such as the furthest being further, everybody knows beforehand.
            told.append(np.corrcoef(moved - np.median(moved), seen - np.median(seen))[0, 1])
    assert len(told) > 30
    assert np.mean(told) < 0.45
    assert np.mean(close) < 0.15
