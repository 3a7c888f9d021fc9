"""Declared rules: each is broken by what breaks it, and mended by no more than it takes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cdss.cli.rules import read_rules
from reference_db.avatar import avatarize
from reference_db.constraints import AtMost, Constraint, NothingAfter, Range, Scale, Schedule, mend, violations
from reference_db.errors import InvalidInput
from reference_db.schema import EDSS_SCALE, EPISODE_CONSTRAINTS

NAN = np.nan


@pytest.mark.parametrize(
    ("rule", "cells", "broken", "mended"),
    [
        (Range("x", 0, 10), {"x": [-1.0, 0.5, 11.0, NAN]}, [1, 0, 1, 0], {"x": [0.0, 0.5, 10.0, NAN]}),
        (Range("x", 0, 10, whole=True), {"x": [0.4, 3.0, 9.7, NAN]}, [1, 0, 1, 0], {"x": [0.0, 3.0, 10.0, NAN]}),
        (Scale("EDSS", ("x",), EDSS_SCALE), {"x": [0.3, 2.2, 11.0, NAN]}, [1, 1, 1, 0], {"x": [0.0, 2.0, 10.0, NAN]}),
        (
            AtMost("x", "y"),
            {"x": [3.0, 1.0, NAN], "y": [2.0, 2.0, 2.0]},
            [1, 0, 0],
            {"x": [2.0, 1.0, NAN], "y": [2.0, 2.0, 2.0]},
        ),
        (AtMost("x", "y", mends="other"), {"x": [3.0], "y": [2.0]}, [1], {"x": [3.0], "y": [3.0]}),
        (
            NothingAfter("end", {"x": 12, "y": 24}),
            {"end": [12.0, 24.0, 6.0], "x": [1.0, 1.0, NAN], "y": [1.0, 1.0, NAN]},
            [1, 0, 0],
            {"x": [1.0, 1.0, NAN], "y": [NAN, 1.0, NAN]},
        ),
        (
            Schedule(("arm",), {"a": ("x",), "b": ()}),
            {"arm": ["a", "b", "a"], "x": [1.0, 1.0, NAN]},
            [1, 0, 0],
            {"x": [NAN, 1.0, NAN]},
        ),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_what_breaks_a_rule_and_how_it_is_mended(
    rule: Constraint, cells: dict[str, list[float]], broken: list[int], mended: dict[str, list[float]]
) -> None:
    given = {name: np.array(values, dtype=object if name == "arm" else float) for name, values in cells.items()}
    assert rule.broken(given).tolist() == [bool(one) for one in broken]
    put_right = mend(given, [rule], np.random.default_rng(0))
    for name, values in mended.items():
        np.testing.assert_array_equal(put_right[name], values)
    assert not rule.broken(put_right).any()


def test_halfway_on_a_scale_goes_up_or_down_alike_at_all_visits() -> None:
    rule = Scale("EDSS", ("first", "second"), EDSS_SCALE)
    cells = mend({name: np.full(4000, 0.5) for name in rule.columns}, [rule], np.random.default_rng(1))
    assert cells["first"].mean() == pytest.approx(0.5, abs=0.03)
    assert (cells["first"] == cells["second"]).all()


def test_a_schedule_is_read_off_a_table() -> None:
    table = pd.DataFrame({"trial": ["A", "A", "B"], "arm": ["x", "y", "x"], "m3": [1.0, NAN, NAN], "m6": 1.0})
    schedule = Schedule.of(table, by=("trial", "arm"), columns=["m3", "m6"])
    assert schedule.never == {"A / x": (), "A / y": ("m3",), "B / x": ("m3",)}
    assert violations(table.assign(m3=1.0), [schedule]) == {"schedule of trial and arm": 2}
    stranger = table.assign(arm="z")
    assert violations(stranger, [schedule]) == {"schedule of trial and arm": 3}


def test_the_names_of_the_rules_of_episodes_are_unique() -> None:
    names = [rule.name for rule in EPISODE_CONSTRAINTS]
    assert len(set(names)) == len(names)


def test_the_documentation_lists_every_rule_of_episodes_and_its_example_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "anonymisation.md").read_text(encoding="utf-8")
    schedule = Schedule(("source", "arm"), {})
    listed = {line.removeprefix("- ") for line in page.partition("The rules of episodes:")[2].splitlines()}
    assert {rule.rule for rule in (*EPISODE_CONSTRAINTS, schedule)} <= listed
    example = tmp_path / "rules.yaml"
    example.write_text(page.partition("```yaml")[2].partition("```")[0], encoding="utf-8")
    assert len(read_rules(example)) == 5


def test_any_table_may_bring_rules(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    two_years = rng.poisson(2.0, 300)
    table = pd.DataFrame({"two": two_years, "one": rng.binomial(two_years, 0.6), "edss": rng.choice(EDSS_SCALE, 300)})
    table["age"] = rng.normal(40, 8, 300).round(1)
    written = tmp_path / "rules.yaml"
    written.write_text(
        f"- {{column: one, at_most: two}}\n- {{columns: [edss], values: {list(EDSS_SCALE)}}}\n"
        "- {column: age, low: 30, high: 50}\n- {column: two, low: 0, whole: true}\n",
        encoding="utf-8",
    )
    rules = read_rules(written)
    free = avatarize(table, k=10, ncp=3, rng=np.random.default_rng(1))
    assert min(violations(free, rules).values(), default=0) == 0
    assert violations(free, rules)["one within two"] > 0
    ruled = avatarize(table, k=10, ncp=3, rng=np.random.default_rng(1), constraints=rules)
    assert set(violations(ruled, rules).values()) == {0}
    assert (ruled.dtypes == table.dtypes).all()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "column: age",
        "- {column: age, lowest: 1}",
        "- {columns: [], values: [1, 2]}",
        "- {column: a, at_most: 3}",
    ],
)
def test_a_rule_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    written = tmp_path / "rules.yaml"
    written.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match="rules"):
        read_rules(written)


def test_a_rule_about_an_unknown_column_is_refused() -> None:
    with pytest.raises(InvalidInput, match="rule a within b: a is not a column"):
        avatarize(
            pd.DataFrame({"b": range(30)}), k=5, ncp=1, rng=np.random.default_rng(0), constraints=[AtMost("a", "b")]
        )
