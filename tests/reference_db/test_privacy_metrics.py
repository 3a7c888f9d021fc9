"""Each metric against its definition, written record by record."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from reference_db.avatar import avatarize, make_avatars
from reference_db.avatar.columns import read_columns
from reference_db.avatar.projection import factor_space
from reference_db.errors import InvalidTable
from reference_db.privacy import TARGETS, PrivacyAssessment, Verdict, assess_privacy
from reference_db.privacy.cloaking import cloaking
from reference_db.privacy.direct_match import column_protection, row_protection
from reference_db.privacy.disclosure import inference_errors
from reference_db.privacy.distances import (
    alone_at_the_ends,
    distance_ratio,
    outlier_protection,
    two_nearest,
)
from reference_db.privacy.metrics import distance_metrics


@pytest.mark.parametrize(("axes", "digits"), [(2, 9), (2, 0), (14, 9), (3, 0)])
def test_cloaking_and_hidden_rate_against_brute_force(axes: int, digits: int) -> None:
    rng = np.random.default_rng(0)
    originals = rng.normal(size=(80, axes)).round(digits)
    avatars = (originals + rng.normal(scale=0.6, size=originals.shape)).round(digits)
    found = cloaking(originals, avatars, np.arange(80))
    distances = cdist(originals, avatars)
    for i in range(80):
        within = [j for j in range(80) if distances[i, j] <= distances[i, i] + 1e-9]
        nearest = np.flatnonzero(distances[i] <= distances[i].min() + 1e-9)
        assert found.others[i] == len(within) - 1
        assert found.exposed[i] == pytest.approx((i in nearest) / len(nearest))


def test_cloaking_with_several_avatars_per_original_and_with_none() -> None:
    originals = np.array([[0.0], [10.0], [20.0]])
    avatars = np.array([[0.5], [4.0], [10.1], [9.0]])
    found = cloaking(originals, avatars, np.array([0, 0, 1, 1]))
    assert found.others.tolist() == [0, 0]
    assert found.hidden_rate == 0


def test_two_nearest_against_brute_force() -> None:
    rng = np.random.default_rng(0)
    originals, avatars = rng.normal(size=(60, 20)), rng.normal(size=(40, 20))
    distances = cdist(avatars, originals)
    closest, nearest = two_nearest(originals, avatars)
    assert nearest == pytest.approx(np.sort(distances, axis=1)[:, :2])
    assert closest.tolist() == distances.argmin(axis=1).tolist()
    assert distance_ratio(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 2.0]])).tolist() == [1, 0, 0.5]


def test_direct_matches() -> None:
    original = pd.DataFrame({"x": [1.0, 2.0, np.nan, 4.0], "s": ["a", "b", "a", "c"]})
    avatar = pd.DataFrame({"x": [1.0, 9.0, np.nan, 2.0], "s": ["c", "b", "a", "b"]})
    columns = read_columns(original)
    mine, theirs = columns.encode(original), columns.encode(avatar)
    # Rows (2, b) and (missing, a) come back, wherever they stand.
    assert row_protection(mine, theirs) == pytest.approx(50)
    # x: one of three known values kept, 3 distinct of 4; s: two of four kept, 3 distinct of 4.
    everybody = np.arange(4)
    protection = column_protection(mine, theirs, everybody, [(everybody, everybody[:, None])])
    assert protection == pytest.approx([100 * (1 - 1 / 3 * 3 / 4), 100 * (1 - 2 / 4 * 3 / 4)])
    # Where the nearest other has another value, the whole share of what is kept counts, if it is the greater.
    protection = column_protection(mine, theirs, everybody, [(everybody, np.array([[1], [0], [3], [2]]))])
    assert protection == pytest.approx([100 * (1 - 1 / 3), 100 * (1 - 2 / 4)])
    others = (everybody, np.array([[1], [0], [3], [2]]))
    protection = column_protection(mine, theirs, everybody, [others], apart=np.array([True, False]))
    assert protection == pytest.approx([100 * (1 - 1 / 3 * 3 / 4), 100 * (1 - 2 / 4)])


def test_a_copied_column_of_two_values_leaves_nothing_open() -> None:
    """Others agree in most cases; the avatars of a copy in all, those of a column that is not copied as others do."""
    rng = np.random.default_rng(0)
    original = pd.DataFrame({"yes": rng.random(1000) < 0.9, "rare": rng.random(1000) < 0.004, "constant": True})
    columns = read_columns(original)
    mine, others = columns.encode(original), (np.arange(1000), rng.permutation(1000)[:, None])
    drawn = mine.rows(rng.permutation(1000))
    everybody = np.arange(1000)
    copied = column_protection(mine, mine, everybody, [others])
    assert copied[0] < 10
    # Four patients with something rare, or none, are no evidence.
    assert copied[1:].min() > 80
    assert column_protection(mine, drawn, everybody, [others]).min() > 90
    # Where others who are nearer in another space agree in every case, they may have been mixed.
    assert column_protection(mine, mine, everybody, [others, (everybody, everybody[:, None])])[0] > 90


def test_a_space_in_which_avatars_were_not_made_does_not_count() -> None:
    """In all axes whoever shares a rare level is near, and leaves nothing open; other columns tell who was mixed."""
    rng = np.random.default_rng(0)
    original = pd.DataFrame(
        {f"label {i}": rng.random(1000) < 0.1 for i in range(6)} | {"rare": rng.random(1000) < 0.02}
    )
    columns = read_columns(original)
    mine, everybody = columns.encode(original), np.arange(1000)
    drawn = mine.rows(rng.permutation(1000))
    copied = drawn.codes.copy()
    copied[:, 6] = mine.codes[:, 6]
    leak = type(mine)(drawn.numbers, copied)
    mixed = (everybody, rng.permutation(1000)[:, None])
    # Nearest others who are the same person in nine of ten cases: avatars differ far more often than that.
    too_near = (everybody, np.where(rng.random(1000) < 0.9, everybody, mixed[1][:, 0])[:, None])
    for spaces in ([mixed], [mixed, too_near], [too_near, mixed]):
        assert column_protection(mine, drawn, everybody, spaces).min() > 90
        protection = column_protection(mine, leak, everybody, spaces)
        assert protection[:6].min() > 90
        assert protection[6] < 50
    # Where avatars are as like their originals, they may have been made there.
    made_there = mine.rows(np.where(rng.random(1000) < 0.9, everybody, rng.permutation(1000)))
    copied = made_there.codes.copy()
    copied[:, 6] = mine.codes[:, 6]
    protection = column_protection(mine, type(mine)(made_there.numbers, copied), everybody, [mixed, too_near])
    assert protection[6] > 50


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(400, 3))
    numbers = pd.DataFrame(latent @ rng.normal(size=(3, 6)) + rng.normal(size=(400, 6)), columns=list("abcdef"))
    labels = {f"label {i}": rng.choice(["I", "II", "III"], 400) for i in range(8)}
    return numbers.assign(**labels)


def verdicts(assessment: PrivacyAssessment) -> dict[str, Verdict]:
    return {metric.name: metric.verdict for metric in assessment.metrics}


def test_avatars_pass(table: pd.DataFrame) -> None:
    synthetic = avatarize(table, k=20, ncp=5, rng=np.random.default_rng(1))
    assessment = assess_privacy(table, synthetic, rng=np.random.default_rng(2))
    assert assessment.passed, assessment.failures
    assert {target.name for target in TARGETS} <= set(verdicts(assessment))


def test_a_copy_fails_every_metric_it_can(table: pd.DataFrame) -> None:
    assessment = assess_privacy(table, table.copy(), rng=np.random.default_rng(2))
    assert not assessment.passed
    failed = {name for name, verdict in verdicts(assessment).items() if verdict is Verdict.FAILED}
    assert {
        "distance_to_closest",
        "closest_distance_ratio",
        "row_direct_match_protection",
        "column_direct_match_protection",
        "local_cloaking",
        "hidden_rate",
        "categorical_hidden_rate",
    } <= failed


def test_a_failing_stratum_fails_the_whole(table: pd.DataFrame) -> None:
    table = table.assign(arm=np.repeat(["x", "y"], [300, 100]))
    # With 20 neighbours the hidden rate of 300 such records is 93.5 on average (40 seeds, SD 1.4): too near to 90.
    synthetic = avatarize(table, k=60, ncp=5, rng=np.random.default_rng(1), strata="arm")
    synthetic.iloc[300:] = table.iloc[300:]
    assessment = assess_privacy(table, synthetic, strata="arm", rng=np.random.default_rng(2))
    assert not assessment.passed
    missed = {s.name for s in assessment.strata for metric in s.metrics if metric.verdict is Verdict.FAILED}
    assert missed == {"y"}
    assert verdicts(assessment)["hidden_rate"] is Verdict.FAILED


def test_origin_is_found_again_after_shuffling(table: pd.DataFrame) -> None:
    avatars = make_avatars(table, k=20, ncp=5, rng=np.random.default_rng(1))
    order = np.random.default_rng(5).permutation(400)
    straight = assess_privacy(table, avatars.table, rng=np.random.default_rng(2))
    shuffled = assess_privacy(
        table, avatars.table.iloc[order], origin=avatars.origin[order], rng=np.random.default_rng(2)
    )
    names = [target.name for target in TARGETS]
    for one, other in zip(straight.metrics, shuffled.metrics, strict=True):
        if one.name in names:
            assert one.value == pytest.approx(other.value)


def test_other_sizes_without_origin_leave_the_own_avatar_out(table: pd.DataFrame) -> None:
    synthetic = avatarize(table, k=20, ncp=5, rng=np.random.default_rng(1), size=150)
    assessment = assess_privacy(table, synthetic, rng=np.random.default_rng(2))
    by_target = verdicts(assessment)
    for target in TARGETS:
        expected = Verdict.NOT_APPLICABLE if target.needs_origin else Verdict.PASSED
        assert by_target[target.name] is expected


def test_hidden_rate_and_cloaking_are_those_of_the_axes_asked_for(table: pd.DataFrame) -> None:
    made = make_avatars(table, k=20, ncp=2, rng=np.random.default_rng(1))
    columns = read_columns(table)
    space = factor_space(table, columns)
    for axes in (2, 5, 1000):
        found = {
            metric.name: metric
            for metric in assess_privacy(table, made.table, rng=np.random.default_rng(0), axes=axes).metrics
        }
        own, theirs = (space.transform(columns.encode(t), axes=axes) for t in (table, made.table))
        around = cloaking(own, theirs, made.origin)
        assert found["hidden_rate"].value == pytest.approx(around.hidden_rate)
        assert found["local_cloaking"].value == around.local_cloaking
        assert f"first {min(axes, space.dimensions)} factor axes" in found["hidden_rate"].space


def test_json(table: pd.DataFrame) -> None:
    synthetic = avatarize(table, k=20, ncp=5, rng=np.random.default_rng(1))
    written = json.loads(json.dumps(assess_privacy(table, synthetic, rng=np.random.default_rng(2)).to_json_dict()))
    assert written["passed"] is True
    assert written["failures"] == []
    assert written["metrics"][0].keys() >= {"name", "definition", "space", "value", "target", "verdict"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda t: t.drop(columns="a"), "synthetic.a"),
        (lambda t: t.assign(extra=1), "synthetic.extra"),
        (lambda t: t.assign(a="text"), "synthetic.a"),
        (lambda t: t.iloc[:0], "synthetic"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused_by_name(
    table: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], field: str
) -> None:
    with pytest.raises(InvalidTable) as refusal:
        assess_privacy(table, change(table), rng=np.random.default_rng(0))
    assert [problem.field for problem in refusal.value.problems] == [field]


def test_a_quick_estimate_is_near_the_whole(table: pd.DataFrame) -> None:
    columns = read_columns(table)
    made = columns.encode(avatarize(table, k=20, ncp=5, rng=np.random.default_rng(1)))
    whole, quick = (
        distance_metrics(columns, columns.encode(table), made, np.arange(400), most=most) for most in (None, 130)
    )
    for one, other in zip(whole, quick, strict=True):
        assert one.value is not None
        assert other.value == pytest.approx(one.value, rel=0.3)


@pytest.mark.parametrize(
    "columns",
    [
        {"constant": np.ones(90), "same": ["a"] * 90},
        {"missing": [np.nan] * 90, "x": np.arange(90.0)},
        {"label": ["a", "b", "c"] * 30},
    ],
)
def test_tables_that_tell_little_are_assessed_all_the_same(columns: dict[str, object]) -> None:
    table = pd.DataFrame(columns)
    synthetic = avatarize(table, k=10, ncp=2, rng=np.random.default_rng(1))
    for holdout in (None, table.iloc[:40]):
        assessment = assess_privacy(table, synthetic, holdout=holdout, rng=np.random.default_rng(1))
        json.dumps(assessment.to_json_dict(), allow_nan=False)


def test_one_outlier_that_is_kept_is_not_lost_among_many() -> None:
    rng = np.random.default_rng(0)
    originals, avatars = rng.standard_t(2, size=(2, 1500, 5))
    nearest = np.sort(cdist(originals, originals), axis=1)[:, 1]
    assert (nearest > 2 * np.median(nearest)).sum() > 150
    extreme = alone_at_the_ends(originals)
    for kept in (nearest.argmax(), extreme[nearest[extreme].argmin()]):
        assert outlier_protection(originals, avatars, extreme) == 100
        leak = avatars.copy()
        leak[3] = originals[kept]
        assert outlier_protection(originals, leak, extreme) < 99


def test_alone_at_the_ends() -> None:
    numbers = np.array([[1.0, np.nan, 3.0], [1.0, np.nan, 2.0], [4.0, np.nan, 9.0], [2.0, np.nan, np.nan]])
    assert alone_at_the_ends(numbers).tolist() == [1, 2]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_chance_gives_no_outlier_away_in_few_dimensions(dimensions: int) -> None:
    for seed in range(10):
        originals, avatars = np.random.default_rng(seed).standard_t(3, size=(2, 1000, dimensions))
        extreme = alone_at_the_ends(originals)
        assert outlier_protection(originals, avatars, extreme) == 100
    avatars[5] = originals[extreme[0]]
    assert outlier_protection(originals, avatars, extreme) < 99


def test_what_other_people_foretell_is_not_counted_as_inferred_from_the_table() -> None:
    """The sum of two columns follows from them in any record; a blood group does not, but from a copy."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(1, 100, size=(400, 2)), columns=["a", "b"])
    table = table.assign(sum=table["a"] + table["b"], group=rng.choice(["A", "B", "0"], 400))
    columns = read_columns(table)
    own = columns.encode(table)
    others = columns.encode(table.sample(frac=1, random_state=1).assign(group=rng.permutation(table["group"])))
    for made, least, most in ((others, 40, 100), (own, 0, 0)):
        numbers, labels = inference_errors(columns, own, made, np.random.default_rng(0))
        # Always guessing the median is a quarter off.
        assert numbers["sum"][1] < 10
        guessed, without = labels["group"]
        assert without > 55
        assert least <= guessed <= most
