"""Checks, sections and reports are values that survive JSON, and failures are put down to their cause."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.attribution import added_failures, attribute_failures, stem
from validation.result import (
    Miss,
    Records,
    Section,
    ValidationReport,
    Verdict,
    check,
    plain,
    report_from_json,
)


@pytest.mark.parametrize(
    ("value", "lowest", "highest", "verdict", "target"),
    [
        (0.5, None, 0.6, Verdict.PASSED, "≤ 0.6"),
        (0.6, None, 0.6, Verdict.PASSED, "≤ 0.6"),
        (0.7, None, 0.6, Verdict.FAILED, "≤ 0.6"),
        (0.7, 0.8, None, Verdict.FAILED, "≥ 0.8"),
        (0.95, 0.93, 0.97, Verdict.PASSED, "0.93 to 0.97"),
        (0.98, 0.93, 0.97, Verdict.FAILED, "0.93 to 0.97"),
        (0.98, None, None, Verdict.REPORTED, ""),
        (None, None, 0.6, Verdict.NOT_APPLICABLE, "≤ 0.6"),
        (math.nan, None, 0.6, Verdict.NOT_APPLICABLE, "≤ 0.6"),
        (math.inf, None, 0.6, Verdict.NOT_APPLICABLE, "≤ 0.6"),
    ],
)
def test_a_figure_is_judged_against_its_bounds(
    value: float | None, lowest: float | None, highest: float | None, verdict: Verdict, target: str
) -> None:
    judged = check("x", "X", value, lowest=lowest, highest=highest, meaning="")
    assert judged.verdict is verdict
    assert judged.target == target


def _section(name: str, passes: bool, *grounds: str) -> Section:
    judged = check("x", "X", 0.0 if passes else 1.0, highest=0.5, meaning="")
    return Section(name, name.title(), "?", (judged,), {}, rests_on=grounds)


def test_what_rests_on_a_failure_fails_as_its_consequence() -> None:
    margins, endpoints, projection, other = attribute_failures(
        [
            _section("margins", False),
            _section("endpoints", False, "margins"),
            _section("projection", False, "endpoints"),
            _section("other", False),
        ]
    )
    assert margins.verdict is Verdict.FAILED
    assert endpoints.verdict is Verdict.CONSEQUENCE
    assert projection.verdict is Verdict.CONSEQUENCE
    assert other.verdict is Verdict.FAILED


def test_a_failure_whose_grounds_pass_is_its_own() -> None:
    _, endpoints = attribute_failures([_section("margins", True), _section("endpoints", False, "margins")])
    assert endpoints.verdict is Verdict.FAILED


def test_only_root_failures_are_listed_and_none_is_forgiven() -> None:
    sections = attribute_failures([_section("a", False), _section("b", False, "a")])
    report = ValidationReport("r1-0", True, 1, 10, 10, sections)
    assert not report.passed
    assert report.failures == ["A: X is 1, target ≤ 0.5"]
    assert replace(report, sections=(sections[1],)).passed is False


def _missing(name: str, misses: list[Miss], *ground: str) -> Section:
    one = check("x", "X", 1.0, highest=0.5, meaning="", misses=misses)
    return replace(_section(name, False, *ground), checks=(one,))


def test_a_variable_that_misses_a_target_does_not_excuse_another() -> None:
    relapses, worsening = (
        Miss("relapse rate", "CLARITY", "cladribine"),
        Miss("worsening at 12 weeks", "CLARITY", "cladribine"),
    )
    margins = _missing("margins", [Miss("relapses_12", "CLARITY")])
    for misses, verdict in (
        ([relapses], Verdict.CONSEQUENCE),
        ([worsening], Verdict.FAILED),
        ([relapses, worsening], Verdict.FAILED),
        ([replace(relapses, source="ADVANCE")], Verdict.FAILED),
    ):
        _, endpoints = attribute_failures([margins, _missing("endpoints", misses, "margins")])
        assert endpoints.verdict is verdict, misses
    assert stem("edss_12") == stem("worsening_24w") == stem("hazard_worsening_24w") != stem("relapses_12")
    assert stem("hazard_relapse") == stem("relapses_12")


def test_values_out_of_range_excuse_nothing_and_follow_from_margins_that_moved() -> None:
    outside = check("out_of_range", "Out", 3.0, highest=0, meaning="", misses=[Miss("relapses_12")])
    structure = replace(_section("structure", True), checks=(outside,))
    moved = _missing("univariate", [Miss("relapses_12", "CLARITY")], "structure")
    first, second = attribute_failures([structure, moved])
    assert (first.verdict, second.verdict) == (Verdict.CONSEQUENCE, Verdict.FAILED)
    first, second = attribute_failures([structure, _missing("univariate", [Miss("relapses_24")], "structure")])
    assert (first.verdict, second.verdict) == (Verdict.FAILED, Verdict.FAILED)


def test_what_a_release_misses_more_than_another_is_visible_beside_what_both_miss() -> None:
    def report(*sections: Section) -> ValidationReport:
        return ValidationReport("r1-0", False, 1, 10, 10, attribute_failures(sections))

    base = report(
        _missing("associations", [Miss("t2_lesions")]), _missing("projection", [Miss("edss")], "associations")
    )
    assert added_failures(base, base) == ()
    more = report(
        _missing("associations", [Miss("t2_lesions"), Miss("gd_lesions")]),
        _missing("projection", [Miss("edss")], "associations"),
    )
    (added,) = added_failures(more, base)
    assert added.name == "associations"
    assert [one.misses for one in added.checks] == [(Miss("gd_lesions"),)]
    assert added.missed(Verdict.FAILED) == ["Associations: X is 1, target ≤ 0.5 (enhancing lesions at baseline)"]
    assert report_from_json(json.loads(json.dumps(more.to_json_dict()))) == more


def test_a_report_survives_json() -> None:
    records = Records()
    records.add(name="a", value=np.float64(1 / 3), n=np.int64(3), yes=np.bool_(True), none=math.nan)
    section = replace(_section("a", True), tables={"rows": records.done()}, remarks=("one",), seconds=1.5)
    report = ValidationReport("r1-0", False, 7, 10, 11, attribute_failures([section]))
    text = json.dumps(report.to_json_dict(), allow_nan=False)
    again = report_from_json(json.loads(text))
    assert again == report
    assert again.section("a").tables["rows"][0] == {"name": "a", "value": 0.333333, "n": 3, "yes": True, "none": None}


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_plain_values_are_json(value: float) -> None:
    found = plain(value)
    json.dumps(found, allow_nan=False)
    assert (found is None) == (not math.isfinite(value))


def test_what_is_no_plain_value_is_refused() -> None:
    with pytest.raises(TypeError, match="not a plain value"):
        plain([1, 2])


@pytest.mark.parametrize(
    ("lost", "verdict"),
    [(["gd_36", "new_t2_36"], Verdict.CONSEQUENCE), (["gd_36", "gd_48"], Verdict.FAILED)],
)
def test_associations_lost_by_variables_of_several_kinds_explain_what_rests_on_them(
    lost: list[str], verdict: Verdict
) -> None:
    found = attribute_failures(
        [
            _missing("multivariate", [Miss(name) for name in lost]),
            _missing("projection_error", [Miss("EDSS")], "multivariate"),
        ]
    )
    assert [one.verdict for section in found for one in section.checks] == [Verdict.FAILED, verdict]
