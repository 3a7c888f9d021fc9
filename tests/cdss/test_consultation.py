"""`cdss project`: what it prints, saves and answers to input that cannot be used."""

# ruff: noqa: ANN001, ANN002, ANN201, ANN202 - called by pytest, which knows no types

import json
import sys
from typing import NamedTuple

import pytest

from cdss.cli import main
from cdss.cli.projection_plot import save_figures
from cdss.cli.projection_table import print_projection
from cdss.settings import settings
from projection import Projector
from reference_db.vocabulary import Treatment
from selection import parse_patient
from tests.episodes import MemoryRelease, random_episodes
from tests.withheld import observed_until

POI = {"age": 34, "sex": "female", "phenotype": "RRMS", "edss": 2.5, "relapses_12m": 1}


class Answer(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(home, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CDSS_HOME", str(home))
    settings.cache_clear()

    def start(poi, *options, text=None):
        path = tmp_path / "poi.json"
        path.write_text(json.dumps(poi) if text is None else text)
        monkeypatch.setattr(sys, "argv", ["cdss", "project", str(path), *options])
        with pytest.raises(SystemExit) as left:
            main()
        return Answer(int(left.value.code or 0), *capfd.readouterr())

    yield start
    settings.cache_clear()


def test_a_table_fits_eighty_columns_and_cuts_nothing_off(run):
    answer = run(POI)
    assert answer.code == 0, answer.err
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "…" not in answer.out
    for words in ("interferon", "natalizumab", "teriflunomide", "not a medical device", "not causal"):
        assert words in answer.out


def test_json_weights_classes_and_figures(run, tmp_path):
    figure = tmp_path / "figure.svg"
    answer = run(POI, "--json", "--classes", "Tysabri, anti-CD20", "--weights", "age=2,sex=0", "--plot", str(figure))
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert [part["treatment"] for part in found["classes"]] == ["natalizumab", "anti-CD20"]
    assert (found["weights"]["age"], found["weights"]["sex"]) == (2.0, 0.0)
    assert found["classes"][0]["edss"]["expected"]["value"][0] == 2.5
    assert figure.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("poi", "options", "named"),
    [
        ({"age": 300, "edss": 2.3, "phenotype": "MS"}, (), ["age:", "phenotype:", "edss: EDSS 2.3 is not on"]),
        ({"phenotype": "RRMS", "edss": 2.0}, (), ["age: is required"]),
        (POI, ("--weights", "age"), ["--weights:"]),
        (POI, ("--classes", "water"), ["classes:"]),
        (POI, ("--k", "3"), ["k:"]),
        (POI, ("--plot", "figure.doc"), ["--plot:"]),
        (POI, ("--engine", "oracle"), ["engine:"]),
        (POI, ("--engine", "ridge", "--k", "50"), ["--engine:"]),
    ],
)
def test_input_that_cannot_be_used_is_one_line_each_and_code_2(run, poi, options, named):
    answer = run(poi, *options)
    assert answer.code == 2
    lines = answer.err.splitlines()
    assert len(lines) == len(named)
    assert all(any(line.startswith(name) for line in lines) for name in named)


def test_what_is_no_json_is_said_so(run):
    answer = run(None, text="{age")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "is not JSON" in answer.err


def test_refusals_are_said_with_their_reason(run):
    answer = run({"age": 80, "phenotype": "CIS", "edss": 2.0})
    assert answer.code == 0
    assert "no projection" in answer.out


def test_a_class_that_was_not_observed_for_two_years_is_told_with_its_month(capsys, tmp_path):
    whole = Projector(MemoryRelease(random_episodes(2400))).project(parse_patient(POI))
    print_projection(whole)
    assert "month" not in capsys.readouterr().out.replace("At 24 months", "")
    projection = observed_until(whole, Treatment.NATALIZUMAB, "worsening_24w", 18)
    projection = observed_until(projection, Treatment.NATALIZUMAB, "relapse", 0)
    projection = observed_until(projection, Treatment.CLADRIBINE, "edss", 12)
    print_projection(projection)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    row = out[out.index("natalizumab") : out.index("cladribine")]
    assert row.split().count("-") == 1
    assert "month 18" in row
    row = out[out.index("cladribine") : out.index("glatiramer")]
    assert "month 12" in row
    assert "month below a value: of the latest month with at least 10 patients observed" in " ".join(out.split())
    assert "-: fewer than 10 patients observed" in out
    figure = tmp_path / "figure.svg"
    save_figures(projection, figure)
    drawn = figure.read_text()
    assert drawn.count("<!-- month 18 -->") == 1
    assert drawn.count("<!-- not known -->") == 1
