"""Power by simulation, what leaves a trial, and the pictures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cdss.cli.evaluation import evaluation
from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.anonymous import IDENTIFYING, anonymous_trial
from cdss.evaluation.dataset import TrialData
from cdss.evaluation.design import PowerPoint, simulate_power
from cdss.evaluation.design.pictures import draw_power
from cdss.evaluation.design.power import wilson
from cdss.evaluation.examples import example_protocol
from cdss.evaluation.instruments import instrument, instruments
from cdss.evaluation.sdtm import sdtm_tables
from cdss.evaluation.simulation import (
    Assumptions,
    PatientPool,
    observe,
    patient_pool,
    simulate_consultations,
)
from cdss.evaluation.simulation.assumptions import assumptions
from cdss.evaluation.simulation.consultations import allocate
from cdss.evaluation.simulation.rehearsal import responses_of
from cdss.evaluation.simulation.resizing import with_size
from reference_db.class_effects import NUMBERS, ClassEffects
from reference_db.episodes import Episodes
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Treatment
from tests.evaluation.conftest import protocol_with


@pytest.fixture(scope="module")
def points(pool: PatientPool) -> tuple[PowerPoint, ...]:
    """Power at two sizes."""
    return simulate_power(
        example_protocol(),
        pool,
        Assumptions(conflict_effect=-12.0),
        sizes=[(60, None), (400, 20)],
        repetitions=12,
        seed=2,
    )


def test_power_rises_with_size_and_the_effect_is_the_assumed_one(points: tuple[PowerPoint, ...]) -> None:
    small, large = points
    assert (small.clusters, large.clusters) == (10, 20)
    assert small.power < large.power
    assert large.power >= 0.9
    assert large.effect == pytest.approx(-12.0, abs=2.0)
    assert large.standard_error < small.standard_error
    assert small.lower <= small.power <= small.upper


def test_where_the_truth_is_known_patients_are_drawn_with_it(episodes: Episodes) -> None:
    """Coefficients of made-up classes come out as the outcomes of the pool, and decide what the tool changes."""
    rows = {t: (0.5 if t is Treatment.NATALIZUMAB else 1.0) for t in Treatment}
    constant = {
        t: np.array([[0.1 * factor], [np.log(0.8 * factor)], [np.log(0.2 * factor)]]) for t, factor in rows.items()
    }
    numbers = dict.fromkeys(NUMBERS, 0.0), dict.fromkeys(NUMBERS, 1.0)
    effects = ClassEffects(constant, ("1",), *numbers, patients=1000)
    pool = patient_pool(episodes, effects=effects, size=500, rng=np.random.default_rng(3))
    assert pool.known
    best = pool.classes.index(Treatment.NATALIZUMAB)
    assert pool.relapse_rate[:, best] == pytest.approx(np.full(len(pool), 0.2))
    assert (pool.worsening_rate.argmin(axis=1) == best).all()
    protocol = protocol_with(allocation={"randomisation": "individual", "stratify_by": ["cluster"]})
    everyone = Assumptions(choice_shift=1.0, outcome_cluster_deviation=0.0, yearly_loss=0.0)
    (point,) = simulate_power(
        protocol, pool, everyone, sizes=[(2000, None)], endpoints=["relapses"], repetitions=10, seed=1
    )
    share = pool.practice[:, best].mean()
    assert point.effect == pytest.approx(0.5 / (share * 0.5 + (1.0 - share)), rel=0.05)


def test_jobs_do_not_change_the_answer(pool: PatientPool) -> None:
    arguments = {"sizes": [(40, None)], "repetitions": 12, "seed": 3}
    one = simulate_power(example_protocol(), pool, Assumptions(), jobs=1, **arguments)
    two = simulate_power(example_protocol(), pool, Assumptions(), jobs=2, **arguments)
    assert one == two


def test_progress_ends_at_one(pool: PatientPool) -> None:
    seen: list[float] = []
    simulate_power(
        example_protocol(),
        pool,
        Assumptions(),
        sizes=[(40, None)],
        repetitions=12,
        progress=lambda share, _step: seen.append(share),
    )
    assert seen == [0.5, 1.0]


@pytest.mark.parametrize("name", ["power.png", "power.svg"])
def test_pictures_are_drawn(points: tuple[PowerPoint, ...], tmp_path: Path, name: str) -> None:
    draw_power(points, tmp_path / name)
    assert (tmp_path / name).stat().st_size > 5_000
    with pytest.raises(InvalidInput, match="neither PNG nor SVG"):
        draw_power(points, tmp_path / "power.pdf")


def test_questions_that_cannot_be_answered_are_refused(pool: PatientPool) -> None:
    with pytest.raises(InvalidInput, match="no wellbeing"):
        simulate_power(example_protocol(), pool, Assumptions(), sizes=[(40, None)], endpoints=["wellbeing"])
    with pytest.raises(InvalidInput, match="10 or more"):
        simulate_power(example_protocol(), pool, Assumptions(), sizes=[(40, None)], repetitions=1)
    with pytest.raises(InvalidInput, match="2 to 98"):
        assumptions(conflict_effect=-39.0)
    with pytest.raises(InvalidInput, match="cluster_correlation"):
        assumptions(cluster_correlation=2.0)


def test_what_is_assumed_is_listed_with_its_range_and_meaning() -> None:
    listed = CliRunner().invoke(evaluation, ["assumptions"], env={"COLUMNS": "200"})
    assert re.search(r"conflict_effect +│ -10 +│ -40 to 40 +│ DCS after", listed.stdout)
    assert re.search(r"shared_deviation +│ 20 +│ above 0 to 40 +│ Standard deviation of the SDM-Q-9", listed.stdout)
    assert all(field.description for field in Assumptions.model_fields.values())


def test_more_clusters_are_made_after_those_there_are() -> None:
    larger = with_size(example_protocol(), consultations=500, clusters=24)
    assert len({cluster.code for cluster in larger.clusters}) == 24
    assert {cluster.stratum for cluster in larger.clusters} == {"larger", "smaller"}


def test_wilson_matches_a_published_value() -> None:
    """Newcombe RG, Stat Med 1998;17:857-872, table I: 81 of 263."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize("code", list(instruments()))
def test_simulated_responses_have_the_score_wanted_on_average(code: str) -> None:
    rng = np.random.default_rng(1)
    for wanted in (0.0, 33.3, 71.9, 100.0):
        scores = [instrument(code).score(responses_of(code, wanted, rng)).total for _ in range(300)]
        assert np.mean(np.array(scores, dtype=float)) == pytest.approx(wanted, abs=0.3)


@pytest.fixture(scope="module")
def data(pool: PatientPool) -> TrialData:
    """One simulated trial."""
    protocol = example_protocol()
    trial = simulate_consultations(protocol, pool, Assumptions(), rng=np.random.default_rng(6))
    return observe(trial, allocate(protocol, allocation_list(protocol, seed=6), trial))


def test_tables_hold_every_patient_questionnaire_and_event(data: TrialData) -> None:
    tables = sdtm_tables(example_protocol(), data)
    assert list(tables) == ["DM", "DS", "QS", "CE"]
    assert tables["DM"]["USUBJID"].is_unique
    assert len(tables["DM"]) == len(data)
    for domain, table in tables.items():
        assert (table["DOMAIN"] == domain).all()
        assert set(table["USUBJID"]) <= set(tables["DM"]["USUBJID"])
    relapses = (tables["CE"]["CETERM"] == "RELAPSE").sum()
    assert relapses == data.table["relapses"].sum()
    assert len(tables["CE"]) - relapses == data.table["worsening_event"].sum()
    assert (tables["QS"].groupby("USUBJID")["QSSEQ"].max() == tables["QS"].groupby("USUBJID").size()).all()


def test_what_leaves_is_synthetic_and_names_no_place(data: TrialData) -> None:
    made = anonymous_trial(data, rng=np.random.default_rng(1))
    assert len(made.data) == len(data)
    assert made.data.table["arm"].value_counts().to_dict() == data.table["arm"].value_counts().to_dict()
    for name in set(IDENTIFYING) - {"period", "withdrawn"}:
        assert not set(made.data.table[name]) & set(data.table[name])
    assert {m.name for s in made.assessment.strata for m in s.metrics}
    for table in sdtm_tables(example_protocol(), made.data).values():
        content = table.to_csv()
        assert "site-a" not in content
        assert "n01" not in content


def test_a_small_trial_is_not_exported(data: TrialData) -> None:
    few = TrialData(data.table.head(30), data.screening)
    with pytest.raises(InvalidInput, match="too few"):
        anonymous_trial(few, rng=np.random.default_rng(1))
