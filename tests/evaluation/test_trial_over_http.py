"""A whole trial through the HTTP interface of the service: 400 consultations of 10 neurologists, design to report."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cdss.app import Service
from cdss.audit import open_trail
from cdss.cli import app
from cdss.errors import NotAllowed
from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.analysis import analyse
from cdss.evaluation.collection import collect
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.examples import example_protocol
from cdss.evaluation.protocol import Arm
from cdss.evaluation.simulation import Assumptions, PatientPool, observe, simulate_consultations
from cdss.evaluation.simulation.rehearsal import API, Rehearsed, rehearse
from cdss.persistence import open_database
from cdss.settings import Settings
from cdss.settings import settings as of_commands
from tests.client import TestClient

EFFECT = -14.0
ASSUMED = Assumptions(conflict_effect=EFFECT, declined=0.02)
SEED = 20


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation without a release: a trial needs none to be conducted."""
    return Settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def speak(settings: Settings) -> Iterator[Callable[[str], TestClient]]:
    """Clients of one service, each with the session of a role."""
    service = Service(settings)
    with ExitStack() as open_clients:

        def client(role: str) -> TestClient:
            speaking = TestClient(service, base_url="http://localhost:8000", raise_server_exceptions=False)
            open_clients.enter_context(speaking)
            token = speaking.post("/api/v1/session", json={"name": f"a {role}", "role": role}).json()["token"]
            speaking.headers["Authorization"] = f"Bearer {token}"
            return speaking

        yield client
    service.close()


@pytest.fixture(scope="module")
def rehearsed(speak: Callable[[str], TestClient], pool: PatientPool) -> tuple[Rehearsed, dict[str, str]]:
    """The trial, conducted: opened, 400 consultations, closed."""
    trialist, clinician = speak("trialist"), speak("clinician")
    protocol = example_protocol()
    opened = trialist.post(f"{API}/trials", json={"protocol": protocol.document(), "seed": SEED})
    assert opened.status_code == 201
    assert opened.json()["seed"] is None
    trial = simulate_consultations(protocol, pool, ASSUMED, rng=np.random.default_rng(SEED))
    done = rehearse(clinician, protocol, trial, rng=np.random.default_rng(1))
    return done, opened.json()


def test_the_analysis_of_what_was_collected_is_that_of_what_was_simulated(
    rehearsed: tuple[Rehearsed, dict[str, str]], settings: Settings, pool: PatientPool
) -> None:
    done, _ = rehearsed
    protocol = example_protocol()
    database = open_database(settings)
    collected = collect(database, protocol)
    database.close()
    trial = simulate_consultations(protocol, pool, ASSUMED, rng=np.random.default_rng(SEED))
    expected = observe(trial, done.arms).table.assign(participant=list(done.participants)).set_index("participant")
    found = collected.table.set_index("participant").loc[expected.index]
    for name in ("cluster", "arm", "sex", "phenotype", "prior_treatment", "choice_before", "choice_after"):
        assert (found[name].fillna("?") == expected[name].fillna("?")).all(), name
    for name in ("age", "edss", "relapses", "relapse_years", "edss_last", "worsening_months", "worsening_event"):
        np.testing.assert_allclose(found[name], expected[name].astype(float), err_msg=name)
    for name, step in (
        ("dcs_before", 100 / 64),
        ("dcs_after", 100 / 64),
        ("sdm_after", 100 / 45),
        ("sus_after", 2.5),
    ):
        assert (found[name].isna() == expected[name].isna()).all(), name
        assert (found[name] - expected[name]).abs().max() <= step, name
    assert collected.screening.not_randomised == {"declined": trial.declined}


def test_the_effect_put_in_is_found(rehearsed: tuple[Rehearsed, dict[str, str]], settings: Settings) -> None:
    database = open_database(settings)
    protocol = example_protocol()
    analysis = analyse(protocol, collect(database, protocol), rng=np.random.default_rng(0))
    database.close()
    effect = analysis.primary.effect
    assert effect.lower < EFFECT < effect.upper
    assert effect.p < 0.05
    assert effect.clusters == 10
    assert effect.n_use + effect.n_usual + sum(analysis.primary.missing.values()) == 400


def test_the_service_allocated_by_the_committed_list(
    rehearsed: tuple[Rehearsed, dict[str, str]], speak: Callable[[str], TestClient]
) -> None:
    done, opened = rehearsed
    trialist = speak("trialist")
    url = f"{API}/trials/{example_protocol().code}"
    assert trialist.get(f"{url}/allocation-list").status_code == 403
    assert trialist.get(f"{url}/report").status_code == 403
    closed = trialist.post(f"{url}/closure").json()
    made_again = allocation_list(example_protocol(), seed=int(closed["seed"]))
    assert int(closed["seed"]) == SEED
    assert made_again.is_committed_to(opened["commitment"], closed["salt"])
    assert trialist.get(f"{url}/allocation-list").json()["lines"] == list(made_again.lines())
    assert {Arm.USE, Arm.USUAL} == set(done.arms)
    refused = trialist.post(f"{url}/screening", json={"cluster": "n01", "reason": "declined"})
    assert refused.status_code == 403


def test_monitoring_counts_everything(
    rehearsed: tuple[Rehearsed, dict[str, str]], speak: Callable[[str], TestClient]
) -> None:
    state = speak("manager").get(f"{API}/trials/{example_protocol().code}/monitoring").json()
    assert state["allocated"] == state["consented"] == 400
    assert sum(state["by_cluster"].values()) == sum(state["by_arm"].values()) == 400
    assert state["deviations"] == state["incomplete_consultations"] == 0
    asked = state["questionnaires"]["DCS, patient, after"]
    assert 300 < asked["received"] < asked["expected"] == 400
    assert state["questionnaires"]["SUS, neurologist, after"]["expected"] == state["by_arm"]["use"]


def test_the_report_is_whole_escaped_and_the_same_twice(
    rehearsed: tuple[Rehearsed, dict[str, str]], speak: Callable[[str], TestClient]
) -> None:
    trialist = speak("trialist")
    url = f"{API}/trials/{example_protocol().code}/report"
    state = trialist.get(f"{API}/trials/{example_protocol().code}").json()["trial"]
    if state["status"] == "open":
        trialist.post(f"{API}/trials/{example_protocol().code}/closure")
    first, second = (trialist.get(url, params={"seed": 3}) for _ in range(2))
    assert first.status_code == 200
    assert first.text == second.text
    page = first.text
    for words in ("Their patients: 400", "DECIDE-AI", "CONSORT-AI", "not a medical device", "linear mixed model"):
        assert words in page
    assert page.count("<svg") == 3
    assert not re.search(r"(?:src|href)=\"https?://", page)
    assert rehearsed[0].participants[0] not in page
    assert speak("clinician").get(url).status_code == 403


@contextmanager
def at_home(chosen: Settings) -> Iterator[None]:
    """Commands in this block are given in an installation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDSS_HOME", str(chosen.home))
        of_commands.cache_clear()
        yield
    of_commands.cache_clear()


def test_its_data_leave_as_avatars_by_the_export_desk(
    rehearsed: tuple[Rehearsed, dict[str, str]], speak: Callable[[str], TestClient], settings: Settings
) -> None:
    steward, manager, trialist = speak("steward"), speak("manager"), speak("trialist")
    code = example_protocol().code
    wish = {"purpose": "trial", "release": code, "recipient": "a registry of trials", "reason": "reanalysis"}
    if trialist.get(f"{API}/trials/{code}").json()["trial"]["status"] == "open":
        assert steward.post("/api/v1/exports", json=wish).status_code == 403
        trialist.post(f"{API}/trials/{code}/closure")
    assert trialist.post("/api/v1/exports", json=wish).status_code == 403
    assert steward.post("/api/v1/exports", json={**wish, "release": "no-such-trial"}).status_code == 404
    url = f"/api/v1/exports/{steward.post('/api/v1/exports', json=wish).json()['identifier']}"
    filed = steward.get(url).json()["export"]  # the checks follow the answer, within the test client's call
    assert {check["name"]: check["passed"] for check in filed["checks"]} == dict.fromkeys(
        ("privacy assessment", "small cells", "differencing", "acro"), True
    )
    assert steward.post(f"{url}/deliver").status_code == 403
    assert steward.post(f"{url}/approve").status_code == 403
    same = steward.post("/api/v1/session", json={"name": "a steward", "role": "manager"}).json()["token"]
    refused = manager.post(f"{url}/approve", headers={"Authorization": f"Bearer {same}"})
    assert (refused.status_code, "another manager" in refused.text) == (403, True)
    approve = ["export", "approve", url.rpartition("/")[2], "--as"]
    with at_home(settings):
        again = CliRunner().invoke(app, [*approve, "a steward"])
        assert isinstance(again.exception, NotAllowed)
        assert CliRunner().invoke(app, [*approve, "bob"]).exit_code == 0
    files = zipfile.ZipFile(io.BytesIO(steward.post(f"{url}/deliver").content))
    assert set(files.namelist()) == {"dm.csv", "ds.csv", "qs.csv", "ce.csv", "export.json"}
    tables = {name: pd.read_csv(io.BytesIO(files.read(name))) for name in files.namelist() if name.endswith("csv")}
    assert tables["dm.csv"]["ARMCD"].value_counts().sum() == 400
    assert set(tables["dm.csv"]["SITEID"]) == {"none"}
    known = set(rehearsed[0].participants)
    assert not any(name in files.read(table).decode() for table in files.namelist() for name in known)


def test_every_step_is_in_the_audit_trail_and_no_clinical_value(
    rehearsed: tuple[Rehearsed, dict[str, str]], settings: Settings
) -> None:
    database = open_database(settings)
    trail = open_trail(settings, database)
    assert trail.verify().intact
    actions = pd.Series([record.action for record in trail.records() if record.outcome == "success"]).value_counts()
    database.close()
    assert actions["evaluation.open"] == 1
    assert actions["evaluation.enrol"] == actions["evaluation.allocate"] == 400
    assert actions["evaluation.answer"] > 700


def test_the_conduct_knows_the_trial(rehearsed: tuple[Rehearsed, dict[str, str]], settings: Settings) -> None:
    database = open_database(settings)
    states = Conduct(database).trials()
    database.close()
    assert [state.code for state in states] == [example_protocol().code]
    assert Path(settings.home).is_dir()
