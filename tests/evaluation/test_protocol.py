"""A protocol is refused unless it holds together, and its digest is its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdss.evaluation.examples import example_protocol, example_text
from cdss.evaluation.protocol import Arm, Randomisation, parse_protocol, read_protocol
from reference_db.errors import InvalidInput
from tests.evaluation.conftest import protocol_with


def test_the_example_is_a_protocol(tmp_path: Path) -> None:
    path = tmp_path / "protocol.yaml"
    path.write_text(example_text(), encoding="utf-8")
    assert read_protocol(path) == example_protocol()
    assert example_protocol().allocation.randomisation is Randomisation.CLUSTER


def test_the_digest_follows_the_content() -> None:
    assert protocol_with().digest == example_protocol().digest
    assert protocol_with(sample_size=401).digest != example_protocol().digest


def test_the_digest_of_an_open_trial_outlives_new_fields_of_the_form() -> None:
    """The allocation is made again from it: what a stored document does not say must not change it."""
    stored = example_protocol().document()
    for scheduled in stored["instruments"]:
        assert scheduled.pop("wording") == {}
    assert parse_protocol(stored).digest == example_protocol().digest


def with_wording(items: int, anchors: int = 5, languages: tuple[str, ...] = ("en", "fr")) -> list[dict[str, object]]:
    words = {"items": [f"item {i}" for i in range(items)], "anchors": [f"anchor {i}" for i in range(anchors)]}
    moments = {"respondent": "patient", "moments": ["before", "after"]}
    shared = {"code": "SDM-Q-9", "respondent": "patient", "moments": ["after"]}
    return [{"code": "DCS", **moments, "wording": dict.fromkeys(languages, words)}, shared]


def test_authorised_wording_belongs_to_the_protocol() -> None:
    protocol = protocol_with(instruments=with_wording(16))
    assert protocol.instruments[0].wording["fr"].items[15] == "item 15"
    assert protocol.digest != protocol_with(instruments=with_wording(16)[1:] + with_wording(16)[:1]).digest


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"allocation": {"block_sizes": [5]}}, "multiples of 2"),
        ({"allocation": {"block_sizes": []}}, "block_sizes"),
        ({"allocation": {"ratio": {"use": 1}}}, "ratio"),
        ({"allocation": {"periods": 3}}, "stepped wedge"),
        ({"allocation": {"randomisation": "stepped_wedge", "periods": 2}}, "at least 3 periods"),
        ({"allocation": {"randomisation": "stepped_wedge", "periods": 12}}, "at least one cluster"),
        ({"allocation": {"stratify_by": ["age-group"]}}, "no factor of the protocol"),
        ({"endpoints": [{"name": "a", "measure": "relapses", "role": "secondary", "hypothesis": "x"}]}, "primary"),
        (
            {"endpoints": [{"name": "a", "measure": "worsening_24w", "role": "primary", "hypothesis": "x"}]},
            "primary_model: gee",
        ),
        (
            {
                "allocation": {"randomisation": "individual"},
                "analysis": {"primary_model": "cluster_means"},
            },
            "compares whole clusters",
        ),
        ({"instruments": [{"code": "SUS", "respondent": "neurologist", "moments": ["after"]}]}, "needs DCS"),
        ({"follow_up_months": [12, 6]}, "must rise"),
        ({"consent": {"version": "x" * 41}}, "at most 40"),
        (
            {
                "allocation": {"randomisation": "individual", "stratify_by": ["cluster", "a"]},
                "sample_size": 90_000,
                "factors": [{"name": "a", "levels": ["x", "y"]}],
            },
            "stratify by less",
        ),
        ({"instruments": with_wording(15)}, "16 items and 5 anchors"),
        ({"instruments": with_wording(16, 4)}, "16 items and 5 anchors"),
        ({"instruments": with_wording(16, languages=("en",))}, "no wording in fr"),
        ({"sample_size": 1}, "greater than or equal to 4"),
        ({"unheard_of": 1}, "Extra inputs"),
    ],
)
def test_a_protocol_that_does_not_hold_together_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        protocol_with(**changes)


def test_files_that_are_no_protocol_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_protocol(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [", encoding="utf-8")
    with pytest.raises(InvalidInput, match="is not YAML"):
        read_protocol(broken)
    broken.write_text("42", encoding="utf-8")
    with pytest.raises(InvalidInput):
        read_protocol(broken)


def test_an_unknown_cluster_is_named_with_those_there_are() -> None:
    assert example_protocol().cluster("n01").site == "site-a"
    with pytest.raises(InvalidInput, match="n10"):
        example_protocol().cluster("n99")


def test_both_arms_are_known() -> None:
    assert set(example_protocol().allocation.ratio) == set(Arm)
