"""The report in both languages, and its checklists: every item of the guidelines, with an answer or an author."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.analysis import analyse
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.examples import example_protocol
from cdss.evaluation.forms import Reason
from cdss.evaluation.monitoring import monitor
from cdss.evaluation.protocol import Protocol
from cdss.evaluation.report import render_report, report_language
from cdss.evaluation.report.checklists import checklist_names, checklist_source, filled_checklist
from cdss.evaluation.report.writing import Language, ReportWords, catalogues
from cdss.evaluation.simulation import Assumptions, PatientPool, observe, simulate_consultations
from cdss.evaluation.simulation.consultations import allocate
from cdss.persistence import open_database
from cdss.settings import Settings
from reference_db.errors import InvalidInput
from tests.evaluation.conftest import protocol_with

SAY = ReportWords("en")
ANALYSIS = Path(__file__).parents[2] / "cdss" / "evaluation" / "analysis"
FIGURES = dict.fromkeys(
    (
        *("baseline", "users", "exposure", "choices", "minutes", "usability", "deviations", "adverse"),
        *("deficiencies", "primary", "secondary", "subgroups", "missing_inputs", "data", "releases"),
    ),
    "a sentence.",
)
SAME_IN_BOTH = {"patient", "reason", "endpoint_unit"}
"""Words that English and French share, or that are only punctuated."""


def numbers(name: str) -> list[str]:
    return [item.item for item in filled_checklist(name, example_protocol(), FIGURES, SAY)]


def test_decide_ai_has_17_items_in_28_parts_and_10_generic_ones() -> None:
    """As its abstract counts them, with the parts that its table has."""
    special = [number for number in numbers("DECIDE-AI") if number[0].isdigit()]
    generic = [number for number in numbers("DECIDE-AI") if not number[0].isdigit()]
    parts = {1: "", 2: "ab", 3: "abc", 4: "abc", 5: "ab", 6: "ab", 7: "", 8: "", 9: "ab", 10: "ab", 11: "", 12: ""}
    parts |= {13: "ab", 14: "ab", 15: "", 16: "", 17: ""}
    assert special == [f"{item}{part}" for item, letters in parts.items() for part in letters or ("",)]
    assert len(special) == 28
    assert sorted(generic) == sorted(["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"])


def test_consort_ai_has_the_14_items_added_to_consort_2010() -> None:
    assert numbers("CONSORT-AI") == [
        *("1a,b (i)", "1a,b (ii)", "2a (i)", "4a (i)", "4a (ii)", "4b"),
        *(f"5 ({part})" for part in ("i", "ii", "iii", "iv", "v", "vi")),
        *("19", "25"),
    ]


@pytest.mark.parametrize("name", checklist_names())
def test_every_item_is_answered_or_left_to_the_authors(name: str) -> None:
    assert "doi 10." in checklist_source(name)
    english, french = (
        filled_checklist(name, example_protocol(), FIGURES, ReportWords(language)) for language in get_args(Language)
    )
    for item, other in zip(english, french, strict=True):
        assert item.topic
        assert item.answer or item.authors, item.item
        assert item.topic != other.topic, item.item
        assert bool(item.authors) == bool(other.authors)


def test_ethics_of_the_algorithm_is_not_answered_with_an_ethics_approval() -> None:
    """Item 8 asks for methods such as fairness; the approval belongs to item III."""
    filled = {item.item: item for item in filled_checklist("DECIDE-AI", example_protocol(), FIGURES, SAY)}
    approval = example_protocol().governance.ethics
    assert approval in filled["III"].answer
    assert approval not in filled["8"].answer


def test_both_languages_have_the_same_words_and_places() -> None:
    english, french = catalogues()["en"], catalogues()["fr"]
    assert english.keys() == french.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", french[key])), key
        assert text != french[key] or key in SAME_IN_BOTH, key
    assert set(get_args(Reason)) <= english.keys()


def test_everything_that_the_analysis_says_has_its_words_in_french() -> None:
    """Models and notes are literals of the analysis: each loses its English in the French report."""
    source = "".join(path.read_text("utf-8") for path in ANALYSIS.glob("*.py"))
    said = re.findall(r'notes=?\(?:?[^"\n]*\(\s*"([^"]+)"', source) + re.findall(r'model = f?"([^"]+)"', source)
    said += re.findall(r'notes = \("([^"]+)"', source)
    assert len(said) > 8
    for text in said:
        for how in ("stratified by neurologist", "sandwich variance over neurologists"):
            sentence = text.replace("{how}", how)
            french = ReportWords("fr").phrase(sentence)
            assert french != sentence, sentence
            assert not re.search(r"\b(?:the|with|by|over|not|had)\b", french), french


def french_report(protocol: Protocol, pool: PatientPool, home: Path) -> str:
    trial = simulate_consultations(protocol, pool, Assumptions(), rng=np.random.default_rng(4))
    data = observe(trial, allocate(protocol, allocation_list(protocol, seed=3), trial))
    database = open_database(Settings(home=home))
    conduct = Conduct(database)
    conduct.open(protocol, seed=3)
    analysis = analyse(protocol, data, rng=np.random.default_rng(1))
    page = render_report(
        protocol, data, analysis, monitoring=monitor(conduct, protocol.code), language=report_language("fr")
    )
    database.close()
    return page


WEDGE = {"allocation": {"randomisation": "stepped_wedge", "periods": 5}}
BY_MEANS = {"analysis": {"primary_model": "cluster_means"}}


@pytest.mark.parametrize("changes", [{}, WEDGE, BY_MEANS], ids=["clusters", "wedge", "means of clusters"])
def test_the_report_is_wholly_in_french(changes: dict[str, object], pool: PatientPool, tmp_path: Path) -> None:
    """What is left in English are the texts of the protocol, which stand as they were written."""
    protocol = protocol_with(**changes)
    page = french_report(protocol, pool, tmp_path)
    text = unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))
    written = str(protocol.document())
    for sentence in re.findall(r"'((?:[^'\\]|\\.)*)'|\"([^\"]*)\"", written):
        text = text.replace(max(sentence, key=len), " ") if len(max(sentence, key=len)) > 12 else text
    english = re.findall(r"\b(?:the|with|was|were|patients? in|usual|neurologists?|missing|mean|of)\b", text)
    assert [word for word in english if word not in {"patient in"}] == [], english
    assert '<html lang="fr">' in page
    assert re.search(r"différence de moyennes -?\d+,\d\d", text)
    assert not re.search(r"\d\.\d\d ", text.replace("10.", ""))


def rows_of(page: str, caption: str) -> list[list[str]]:
    (table,) = re.findall(rf"<caption>{re.escape(caption)}.*?</table>", page, flags=re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in table.split("<tr>")[1:]]


def test_neurologists_are_counted_per_arm_at_baseline(pool: PatientPool, tmp_path: Path) -> None:
    head, neurologists, patients, *_ = rows_of(
        french_report(example_protocol(), pool, tmp_path), "Caractéristiques à l&#x27;inclusion"
    )
    assert head[2:5] == ["ensemble", "Avec l&#x27;outil", "Habituel"]
    assert neurologists[2:5] == ["10", "5", "5"]
    assert patients[2] == "400"
    assert int(patients[3]) + int(patients[4]) == 400


def test_what_is_missing_at_baseline_is_counted_of_labels_too(pool: PatientPool, tmp_path: Path) -> None:
    page = french_report(example_protocol(), pool, tmp_path)
    rows = rows_of(page, "Caractéristiques à l&#x27;inclusion")
    named = [row for row in rows[3:] if row[0]]
    assert [row[0].partition(",")[0] for row in named if row[-1] == ""] == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["Neurologues randomisés : 10", "Leurs patients : 400", "Neurologues : 5", "Neurologues : 5"]),
        (WEDGE, ["Neurologues randomisés : 10", "Leurs patients : 400", *["Neurologues dans cet état : 10"] * 2]),
        (
            {"allocation": {"randomisation": "individual", "stratify_by": ["cluster"]}},
            ["Randomisés : 400", "Neurologues : 10", "Neurologues : 10"],
        ),
    ],
    ids=["clusters", "wedge", "individual"],
)
def test_the_flow_says_who_was_randomised(
    changes: dict[str, object], expected: list[str], pool: PatientPool, tmp_path: Path
) -> None:
    page = french_report(protocol_with(**changes), pool, tmp_path)
    drawn = re.findall(r"<text[^>]*>([^<]+)</text>", page)
    shown = [line for line in drawn if line.startswith(("Neurologues", "Leurs patients", "Randomisés"))]
    assert shown == expected


def test_the_correlation_within_neurologists_stands_with_its_interval(pool: PatientPool, tmp_path: Path) -> None:
    """The next trial is planned with it."""
    page = french_report(example_protocol(), pool, tmp_path)
    head, planned, *_ = rows_of(page, "Critère principal, par le modèle prévu et par d&#x27;autres")
    cell = planned[head.index("corrélation intra-grappe")]
    found = re.fullmatch(r"(0,\d{3}) \(intervalle à 95 % : (0,\d{3}) à (0,\d{3})\)", cell)
    assert found, cell
    value, lower, upper = (float(each.replace(",", ".")) for each in found.groups())
    assert lower <= value <= upper < 0.5


def test_a_wedge_is_reported_period_by_period_with_the_unit_and_what_is_adjusted(
    pool: PatientPool, tmp_path: Path
) -> None:
    page = french_report(protocol_with(**WEDGE), pool, tmp_path)
    _, *rows = rows_of(page, "Critère principal par période (points sur 100, moins est mieux)")
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert (rows[0][1], rows[-1][1]) == ("0 / 10", "10 / 0")
    assert rows[0][-1] == "référence"
    assert all("intervalle à 95 %" in row[-1] for row in rows[1:])
    assert "Les valeurs p des 5 critères secondaires sont ajustées ensemble (méthode de Holm)" in page


def test_a_language_without_a_report_is_refused() -> None:
    with pytest.raises(InvalidInput, match="en, fr"):
        report_language("de")
