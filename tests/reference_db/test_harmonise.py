"""Harmonising: long tables to episodes, against small cases worked by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from reference_db.harmonise import episodes
from reference_db.schema import LongTables, Source, check_long_tables
from reference_db.vocabulary import SourceKind, Treatment

TRIAL = Source(name="T", label="a trial", kind=SourceKind.TRIAL, days_per_month=28.0)
REGISTRY = Source(name="R", label="a registry", kind=SourceKind.REGISTRY, days_per_month=30.4375)


def tables(
    *,
    source: str = "T",
    last_day: int = 672,
    visits: list[tuple[int, float]],
    relapses: list[int] | None = None,
    mri: list[tuple[int, int | None, int | None, str | None]] | None = None,
    treatments: list[tuple[str, int, int | None]] | None = None,
) -> LongTables:
    patients = pd.DataFrame(
        {
            "patient_id": ["a"],
            "source": [source],
            "arm": ["arm"],
            "phenotype": ["RRMS"],
            "sex": ["female"],
            "age": [30.0],
            "years_since_onset": [3.0],
            "prior_treatment": ["none"],
            "relapses_12m": pd.array([1], dtype="Int64"),
            "relapses_24m": pd.array([1], dtype="Int64"),
            "last_day": [last_day],
        }
    )
    rows = mri or []
    drugs = treatments if treatments is not None else [(Treatment.CLADRIBINE.value, 0, None)]
    return check_long_tables(
        LongTables(
            patients=patients,
            visits=pd.DataFrame(
                {"patient_id": "a", "day": [d for d, _ in visits], "edss": [e for _, e in visits]}
            ).astype({"patient_id": object, "day": "int64"}),
            relapses=pd.DataFrame({"patient_id": ["a"] * len(relapses or []), "day": relapses or []}).astype(
                {"patient_id": object, "day": "int64"}
            ),
            mri=pd.DataFrame(
                {
                    "patient_id": ["a"] * len(rows),
                    "day": [r[0] for r in rows],
                    "gd_lesions": pd.array([r[1] for r in rows], dtype="Int64"),
                    "new_t2_lesions": pd.array([r[2] for r in rows], dtype="Int64"),
                    "t2_lesions": [r[3] for r in rows],
                }
            ).astype({"patient_id": object, "day": "int64", "t2_lesions": object}),
            treatments=pd.DataFrame(
                {
                    "patient_id": ["a"] * len(drugs),
                    "treatment": [t[0] for t in drugs],
                    "start_day": [t[1] for t in drugs],
                    "end_day": pd.array([t[2] for t in drugs], dtype="Int64"),
                }
            ).astype({"patient_id": object, "start_day": "int64"}),
        )
    )


def test_trial_weeks_fall_on_the_grid() -> None:
    row = episodes(tables(visits=[(0, 2.0), (84, 2.5), (336, 3.0), (672, 3.5)]), [TRIAL]).iloc[0]
    assert (row["edss_0"], row["edss_3"], row["edss_12"], row["edss_24"]) == (2.0, 2.5, 3.0, 3.5)
    assert pd.isna(row["edss_6"])
    assert row["follow_up_months"] == 24
    assert row["treatment"] == Treatment.CLADRIBINE.value


def test_the_visit_nearest_to_the_month_is_kept() -> None:
    row = episodes(tables(visits=[(0, 2.0), (70, 3.0), (86, 2.5), (110, 4.0)]), [TRIAL]).iloc[0]
    assert row["edss_3"] == 2.5


def test_baseline_prefers_the_visit_before_treatment() -> None:
    row = episodes(tables(visits=[(-40, 2.0), (7, 3.0)]), [TRIAL]).iloc[0]
    assert row["edss_0"] == 2.0


def test_history_comes_from_a_year_before() -> None:
    visits = [(-700, 0.0), (-380, 1.0), (-250, 1.5), (0, 2.0)]
    row = episodes(tables(source="R", visits=visits), [REGISTRY]).iloc[0]
    assert row["edss_m12"] == 1.0


def test_relapses_count_in_the_interval_that_ends_at_the_month() -> None:
    row = episodes(tables(visits=[(0, 2.0)], relapses=[-30, 84, 85, 100, 672]), [TRIAL]).iloc[0]
    assert [row[f"relapses_{m}"] for m in (3, 6, 9, 24)] == [1, 2, 0, 1]


def test_nothing_stands_after_dropout() -> None:
    row = episodes(tables(visits=[(0, 2.0), (168, 2.0)], relapses=[90], last_day=180), [TRIAL]).iloc[0]
    assert row["follow_up_months"] == 6
    assert row["relapses_6"] == 1
    assert pd.isna(row["relapses_9"])


def switched(day: int, *, last_day: int = 2000) -> pd.Series:
    """Return the episode of a patient who relapses on day 380, again on day 500, and changes treatment on a day."""
    drugs = [(Treatment.TERIFLUNOMIDE.value, 0, day), (Treatment.ANTI_CD20.value, day, None)]
    visits = [(0, 2.0), (365, 2.5), (450, 3.5), (730, 4.0)]
    made = tables(source="R", last_day=last_day, visits=visits, relapses=[380, 500], treatments=drugs)
    return episodes(made, [REGISTRY]).iloc[0]


def test_the_relapse_that_ends_a_treatment_counts_and_nothing_after_its_interval() -> None:
    row = switched(400)
    assert row["treatment"] == Treatment.TERIFLUNOMIDE.value
    assert row["follow_up_months"] == 15
    assert (row["edss_12"], row["edss_15"]) == (2.5, 3.5)
    assert row["relapses_15"] == 1
    assert pd.isna(row["relapses_18"])
    assert pd.isna(row["edss_24"])


def test_an_interval_that_nobody_saw_the_end_of_does_not_count() -> None:
    row = switched(400, last_day=420)
    assert row["follow_up_months"] == 12
    assert pd.isna(row["relapses_15"])


@pytest.mark.parametrize(("day", "months"), [(740, 24), (815, 24), (830, 30), (913, 30), (1100, 36), (1300, 36)])
def test_a_long_interval_is_followed_to_its_month_for_three_months_at_most(day: int, months: int) -> None:
    assert switched(day)["follow_up_months"] == months


def test_scans_between_two_months_of_the_grid_are_summed() -> None:
    mri = [(0, 1, None, "10-20"), (336, 2, 3, None), (504, 0, 4, None), (672, 1, 5, None)]
    row = episodes(tables(visits=[(0, 2.0)], mri=mri), [TRIAL]).iloc[0]
    assert (row["gd_lesions"], row["t2_lesions"]) == (1, "10-20")
    assert (row["gd_12"], row["new_t2_12"]) == (2, 3)
    assert (row["gd_24"], row["new_t2_24"]) == (1, 9)
    assert pd.isna(row["gd_6"])


def test_an_uncounted_scan_leaves_the_sum_unknown() -> None:
    mri = [(336, 2, 3, None), (504, None, None, None), (672, 1, 5, None)]
    row = episodes(tables(visits=[(0, 2.0)], mri=mri), [TRIAL]).iloc[0]
    assert row["new_t2_12"] == 3
    assert pd.isna(row["new_t2_24"])


def test_a_patient_without_baseline_edss_has_no_episode() -> None:
    assert len(episodes(tables(visits=[(84, 2.0)]), [TRIAL])) == 0


@pytest.mark.parametrize(("last_day", "months"), [(672, 24), (658, 24), (657, 21), (0, 0)])
def test_a_month_is_reached_when_missed_by_half_a_month_at_most(last_day: int, months: int) -> None:
    row = episodes(tables(visits=[(0, 2.0)], last_day=last_day), [TRIAL]).iloc[0]
    assert row["follow_up_months"] == months
