"""Informative baselines: by hand, and the published yield."""

from __future__ import annotations

import pandas as pd
import pytest

from reference_db.informative import informative_baselines, yield_by_source
from reference_db.schema import LongTables, Source
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import SourceKind

SOURCE = Source(name="R", label="a registry", kind=SourceKind.REGISTRY, days_per_month=30.0)


def tables(
    visits: list[int], scans: list[int], *, treatments: list[tuple[str, int, int | None]], last_day: int
) -> LongTables:
    return LongTables(
        patients=pd.DataFrame({"patient_id": ["a"], "source": ["R"], "last_day": [last_day]}),
        visits=pd.DataFrame({"patient_id": "a", "day": visits, "edss": 2.0}),
        relapses=pd.DataFrame({"patient_id": [], "day": []}),
        mri=pd.DataFrame(
            {
                "patient_id": "a",
                "day": scans,
                "gd_lesions": pd.array([0] * len(scans), dtype="Int64"),
                "new_t2_lesions": pd.array([None] * len(scans), dtype="Int64"),
            }
        ),
        treatments=pd.DataFrame(
            {
                "patient_id": "a",
                "treatment": [t[0] for t in treatments],
                "start_day": [t[1] for t in treatments],
                "end_day": pd.array([t[2] for t in treatments], dtype="Int64"),
            }
        ),
    )


def days(made: LongTables) -> list[int]:
    return informative_baselines(made, [SOURCE])["day"].tolist()


YEARLY = list(range(0, 1801, 360))


def test_every_visit_with_two_years_behind_it_counts() -> None:
    made = tables(YEARLY, YEARLY, treatments=[("cladribine", 0, None)], last_day=1800)
    assert days(made) == [0, 360, 720, 1080]
    found = informative_baselines(made, [SOURCE])
    assert found["index"].tolist() == [True, False, False, False]
    assert set(found["treatment"]) == {"cladribine"}


def test_a_switch_cuts_the_follow_up() -> None:
    made = tables(YEARLY, YEARLY, treatments=[("teriflunomide", 0, 800), ("anti-CD20", 800, None)], last_day=1800)
    found = informative_baselines(made, [SOURCE])
    assert found["day"].tolist() == [0, 1080]
    assert found["treatment"].tolist() == ["teriflunomide", "anti-CD20"]


def test_without_a_scan_before_or_two_years_after_nothing_counts() -> None:
    assert days(tables(YEARLY, [720], treatments=[("cladribine", 0, None)], last_day=1800)) == []
    assert days(tables(YEARLY, [0, 720], treatments=[("cladribine", 0, None)], last_day=1800)) == [0]


def test_a_visit_before_any_recorded_treatment_is_none() -> None:
    made = tables([-360, 0, 360, 720], [-360, 0, 360, 720], treatments=[("cladribine", 0, None)], last_day=720)
    assert days(made) == [0]


def test_yields_are_near_the_published_ones() -> None:
    """Demuth et al. 2024: 611 of the high-definition cohort by index date, 1,307 by visit; 27.8 % of the mother's."""
    simulated = simulate(seed=21)
    table = yield_by_source(simulated.tables, simulated.sources)
    whole = table[table["treatment"] == "all"].set_index("source")
    hd, mother = whole.loc["OFSEP-HD"], whole.loc["OFSEP"]
    assert hd["informative_at_index"] == pytest.approx(611, rel=0.1)
    assert hd["informative_patients"] == pytest.approx(1307, rel=0.1)
    assert mother["informative_patients"] / mother["patients"] == pytest.approx(0.278, rel=0.15)
    assert mother["informative_visits"] / mother["informative_patients"] == pytest.approx(2.2, rel=0.1)
    assert whole.loc["ADVANCE", "informative_patients"] == 0
    by_class = table[table["treatment"] != "all"]
    assert by_class["informative_visits"].sum() == whole["informative_visits"].sum()
