"""A trial's data set: when it may be asked for, what keeps it in quarantine, and that it is the same each time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cdss.cli import app
from cdss.errors import NotAllowed, NotFound
from cdss.evaluation import forms
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.export import prepare_trial_export, require_closed
from cdss.evaluation.protocol import Protocol
from cdss.persistence import Database, open_database
from cdss.settings import Settings, settings
from reference_db.release.export import Prepared, files_digest
from reference_db.vocabulary import Phenotype
from tests.evaluation.conftest import protocol_with


def conducted(conduct: Conduct, patients: int) -> tuple[Protocol, list[str]]:
    """A trial with patients who are allocated, different from each other, and nothing else."""
    protocol = protocol_with(
        instruments=[{"code": "DCS", "respondent": "patient", "moments": ["after"]}],
        endpoints=[{"name": "conflict", "measure": "decisional_conflict", "role": "primary", "hypothesis": "lower"}],
    )
    conduct.open(protocol, seed=3)
    rng = np.random.default_rng(0)
    identifiers = []
    for i in range(patients):
        baseline = forms.Baseline(
            age=max(18.0, round(float(rng.normal(42, 9)), 1)),
            phenotype=Phenotype.RRMS,
            edss=float(rng.integers(2, 12)) / 2,
        )
        consent = forms.ConsentGiven(given=True, version="1.0", language="en")
        enrolment = forms.Enrolment(cluster=f"n{i % 10 + 1:02d}", consent=consent, baseline=baseline)
        identifier = conduct.enrol(protocol.code, enrolment)
        conduct.allocate(identifier)
        identifiers.append(identifier)
    return protocol, identifiers


def failed(prepared: Prepared) -> list[str]:
    return [check.name for check in prepared.checks if not check.passed]


def test_an_open_trial_cannot_be_asked_for(database: Database) -> None:
    conduct = Conduct(database)
    protocol, _ = conducted(conduct, 0)
    with pytest.raises(NotAllowed, match="open"):
        require_closed(database, protocol.code)
    with pytest.raises(NotFound):
        require_closed(database, "nothing")
    conduct.close(protocol.code)
    require_closed(database, protocol.code)


def test_a_small_trial_goes_to_quarantine(database: Database) -> None:
    conduct = Conduct(database)
    protocol, _ = conducted(conduct, 12)
    conduct.close(protocol.code)
    prepared = prepare_trial_export(database, protocol.code, earlier={})
    assert failed(prepared) == ["privacy assessment"]
    assert not prepared.files


def test_the_same_trial_gives_the_same_avatars_and_another_set_is_held_back(database: Database) -> None:
    conduct = Conduct(database)
    protocol, identifiers = conducted(conduct, 80)
    conduct.close(protocol.code)
    first, again = (prepare_trial_export(database, protocol.code, earlier={}) for _ in range(2))
    assert first.files == again.files
    digest = files_digest({name: hashlib.sha256(data).hexdigest() for name, data in first.files.items()})
    assert "differencing" not in failed(prepare_trial_export(database, protocol.code, earlier={"x1": digest}))
    conduct.withdraw(identifiers[0], keep_data=False)
    changed = prepare_trial_export(database, protocol.code, earlier={"x1": digest})
    assert "differencing" in failed(changed)
    assert len(changed.table) == 79


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[int, str]]]:
    """Give a command to the desk of an installation in a folder of the test; its exit code and what it printed."""
    monkeypatch.setenv("CDSS_HOME", str(tmp_path))
    settings.cache_clear()

    def give(verb: str, *arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["export", verb, *arguments], catch_exceptions=True)
        refused = str(done.exception) if isinstance(done.exception, NotAllowed) else ""
        assert refused or isinstance(done.exception, SystemExit | None), done.exception
        return (2 if refused else done.exit_code), done.output + refused

    yield give
    settings.cache_clear()


WISH = ("--purpose", "trial", "--recipient", "a registry", "--reason", "reanalysis", "--as", "alice", "--trial")


def test_a_trial_that_fails_goes_to_quarantine_by_command_and_nobody_can_let_it_out(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    database = open_database(Settings(home=tmp_path))
    conduct = Conduct(database)
    protocol, _ = conducted(conduct, 12)
    code, said = command("request", *WISH, protocol.code)
    assert (code, "is open" in said) == (2, True)
    conduct.close(protocol.code)
    database.close()
    code, said = command("request", *WISH, protocol.code)
    assert (code, "FAILED  privacy assessment" in said) == (1, True)
    identifier = next(line for line in said.splitlines() if line.startswith("export x"))[7:].partition(":")[0]
    for verb, name in (("approve", "alice"), ("approve", "bob"), ("deliver", "alice"), ("deliver", "bob")):
        assert command(verb, identifier, "--as", name)[0] == 2
    assert "quarantined" in command("approve", identifier, "--as", "bob")[1]
    assert command("reject", identifier, "--comment", "too few", "--as", "alice")[0] == 2
    assert command("reject", identifier, "--comment", "too few", "--as", "bob")[0] == 0
