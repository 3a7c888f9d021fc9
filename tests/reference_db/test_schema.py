"""What the tables may hold, and what is said about those that do not."""

import pandas as pd
import pytest

from reference_db.errors import InvalidTable
from reference_db.schema import EDSS_SCALE, LongTables, check_long_tables


def _tables(**changes: pd.DataFrame) -> LongTables:
    tables = {
        "patients": pd.DataFrame(
            {
                "patient_id": ["a", "b"],
                "source": ["T", "T"],
                "arm": ["x", "x"],
                "phenotype": ["RRMS", "CIS"],
                "sex": ["female", "male"],
                "age": [34.0, 41.5],
                "years_since_onset": [5.0, None],
                "prior_treatment": ["none", None],
                "relapses_12m": pd.array([1, None], dtype="Int64"),
                "relapses_24m": pd.array([2, None], dtype="Int64"),
                "last_day": [700, 350],
            }
        ),
        "visits": pd.DataFrame({"patient_id": ["a", "a", "b"], "day": [0, 84, 0], "edss": [2.0, 2.5, 0.0]}),
        "relapses": pd.DataFrame({"patient_id": ["a"], "day": [100]}),
        "mri": pd.DataFrame(
            {
                "patient_id": ["b"],
                "day": [0],
                "gd_lesions": pd.array([1], dtype="Int64"),
                "new_t2_lesions": pd.array([None], dtype="Int64"),
                "t2_lesions": ["3-9"],
            }
        ),
        "treatments": pd.DataFrame(
            {
                "patient_id": ["a", "b"],
                "treatment": ["natalizumab", "cladribine"],
                "start_day": [0, 0],
                "end_day": pd.array([None, 200], dtype="Int64"),
            }
        ),
    }
    return LongTables(**(tables | changes))


def test_the_scale_has_twenty_values_and_not_one_half() -> None:
    assert len(EDSS_SCALE) == 20
    assert 0.5 not in EDSS_SCALE
    assert (EDSS_SCALE[0], EDSS_SCALE[1], EDSS_SCALE[-1]) == (0.0, 1.0, 10.0)


def test_good_tables_pass() -> None:
    checked = check_long_tables(_tables())
    assert len(checked.visits) == 3


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("visits", "edss", 0.5),
        ("visits", "edss", 2.3),
        ("visits", "edss", 10.5),
        ("patients", "age", 300.0),
        ("patients", "sex", "F"),
        ("patients", "phenotype", "MS"),
        ("patients", "relapses_12m", 99),
        ("patients", "last_day", -1),
        ("mri", "gd_lesions", -1),
        ("mri", "t2_lesions", "many"),
        ("treatments", "treatment", "aspirin"),
    ],
)
def test_each_kind_of_damage_is_named_by_table_and_column(table: str, column: str, value: object) -> None:
    damaged = getattr(_tables(), table).copy()
    damaged.loc[0, column] = value
    with pytest.raises(InvalidTable) as caught:
        check_long_tables(_tables(**{table: damaged}))
    (problem,) = caught.value.problems
    assert problem.field == f"{table}.{column}"
    assert str(value) in problem.message


def test_all_problems_of_a_table_are_named_at_once() -> None:
    damaged = _tables().patients.assign(age=[300.0, 41.5], sex=["F", "male"])
    with pytest.raises(InvalidTable) as caught:
        check_long_tables(_tables(patients=damaged))
    assert {problem.field for problem in caught.value.problems} == {"patients.age", "patients.sex"}


def test_duplicated_visits_and_strangers_are_refused() -> None:
    twice = pd.DataFrame({"patient_id": ["a", "a"], "day": [0, 0], "edss": [2.0, 2.5]})
    with pytest.raises(InvalidTable, match="visits"):
        check_long_tables(_tables(visits=twice))
    stranger = pd.DataFrame({"patient_id": ["z"], "day": [0]})
    with pytest.raises(InvalidTable, match=r"relapses\.patient_id"):
        check_long_tables(_tables(relapses=stranger))
