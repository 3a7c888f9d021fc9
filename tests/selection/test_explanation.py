"""The explanation of a selection against the table it describes."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import json

import numpy as np
import orjson
import pytest

from reference_db.small_cells import SMALL_CELL
from selection import Criteria, Selector, explain, parse_patient
from selection.features import FEATURE_NAMES

POI = parse_patient(
    {"age": 34, "sex": "female", "phenotype": "RRMS", "edss": 2.5, "relapses_12m": 1, "gd_lesions": 2}
)


@pytest.fixture(scope="module")
def selector(small_release):
    return Selector(small_release)


def test_figures_equal_those_of_the_table(selector):
    selection = selector.select(POI, k=150)
    answer = explain(selector, selection)
    for part, chosen in zip(answer.classes, selection.classes, strict=True):
        table = selector.release.episodes.table.iloc[chosen.rows]
        by_name = {c.feature: c for c in part.features}
        assert tuple(by_name) == FEATURE_NAMES
        assert by_name["age"].poi == 34
        assert by_name["age"].mean == pytest.approx(table["age"].mean())
        assert by_name["age"].standardised_difference == pytest.approx(
            (table["age"].mean() - 34) / selector.release.episodes.table["age"].std(ddof=0)
        )
        assert by_name["gd_lesions"].poi == pytest.approx(2)
        assert by_name["gd_lesions"].mean == pytest.approx(table["gd_lesions"].mean())
        assert by_name["gd_lesions"].known == pytest.approx(table["gd_lesions"].notna().mean())
        assert by_name["t2_lesions"].poi is None
        assert by_name["sex"].shares.get("female", 0) == pytest.approx((table["sex"] == "female").mean(), abs=0.07)
        assert part.from_trials is None or part.from_trials == pytest.approx((table["source_kind"] == "trial").mean())
        assert part.n <= part.n_within_caliper <= part.n_eligible
        assert part.distance[0] == pytest.approx(chosen.distance[:SMALL_CELL].mean())
        assert part.distance[4] == pytest.approx(chosen.distance[-SMALL_CELL:].mean())
    assert np.allclose(answer.balance["age"], -answer.balance["age"].T)
    first, second = (selector.release.episodes.table["age"].to_numpy()[c.rows] for c in selection.classes[:2])
    expected = (first.mean() - second.mean()) / np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
    assert answer.balance["age"][0, 1] == pytest.approx(expected)


def test_patients_within_the_caliper_are_counted_beyond_those_used(selector):
    criteria = Criteria(largest_distance=0.9)
    few = explain(selector, selector.select(POI, k=40, criteria=criteria))
    all_of_them = selector.select(POI, k=2000, criteria=criteria)
    assert [part.n_within_caliper for part in few.classes] == [len(part.rows) for part in all_of_them.classes]
    assert all(part.n == 40 for part in few.classes)


def test_a_refused_class_is_not_described(selector):
    answer = explain(selector, selector.select(parse_patient({"age": 80, "phenotype": "CIS", "edss": 2.0})))
    assert answer.compared == ()
    assert all(part.refusal and not part.features and not part.distance for part in answer.classes)
    assert json.loads(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))["balance"] == {}
