"""Allocation: balanced in every stratum, the same for the same seed, unlike for another, and committed to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdss.evaluation.allocation import allocation_list, strata_of, stratum_of
from cdss.evaluation.protocol import Arm, Protocol
from reference_db.errors import InvalidInput
from tests.evaluation.conftest import protocol_with

FACTORS = [{"name": "prior", "levels": ["none", "some"]}, {"name": "age", "levels": ["young", "middle", "old"]}]


def individual(ratio: dict[str, int], sizes: list[int], stratify_by: list[str]) -> Protocol:
    allocation = {"randomisation": "individual", "ratio": ratio, "block_sizes": sizes, "stratify_by": stratify_by}
    return protocol_with(allocation=allocation, factors=FACTORS, sample_size=60)


designs = st.builds(
    lambda use, usual, multiples, by: individual(
        {"use": use, "usual": usual}, [(use + usual) * m for m in multiples], by
    ),
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.sampled_from([[], ["cluster"], ["site"], ["site", "prior"], ["cluster", "prior", "age"]]),
)


@settings(max_examples=30)
@given(designs, st.integers(0, 2**63))
def test_every_prefix_of_every_stratum_is_balanced_within_a_block(protocol: Protocol, seed: int) -> None:
    ratio, largest = protocol.allocation.ratio, max(protocol.allocation.block_sizes)
    whole = sum(ratio.values())
    for arms in allocation_list(protocol, seed=seed).strata.values():
        assert len(arms) >= protocol.sample_size
        used = 0
        for n, arm in enumerate(arms, start=1):
            used += arm is Arm.USE
            assert (
                abs(used - n * ratio[Arm.USE] / whole)
                <= largest * ratio[Arm.USE] * ratio[Arm.USUAL] / whole**2 + 1e-9
            )


@settings(max_examples=20)
@given(designs, st.integers(0, 2**63))
def test_the_same_seed_gives_the_same_list_and_commitment(protocol: Protocol, seed: int) -> None:
    once, again = allocation_list(protocol, seed=seed), allocation_list(protocol, seed=seed)
    assert list(once.lines()) == list(again.lines())
    assert once.is_committed_to(again.commitment("salt"), "salt")
    assert not once.is_committed_to(again.commitment("salt"), "other")
    assert not allocation_list(protocol, seed=seed + 1).is_committed_to(once.commitment("salt"), "salt")


def test_a_stratum_does_not_depend_on_the_others_and_strata_differ() -> None:
    protocol = individual({"use": 1, "usual": 1}, [4, 6], ["cluster"])
    strata = allocation_list(protocol, seed=1).strata
    assert len(strata) == 10
    assert len(set(strata.values())) == 10


def test_block_sizes_really_vary() -> None:
    """With blocks of 4 only, every fourth allocation is forced; with 4 and 6 the run of cut points differs."""
    protocol = individual({"use": 1, "usual": 1}, [4, 6], ["cluster"])
    balanced_at_4k = [
        all(arms[: 4 * k].count(Arm.USE) == 2 * k for k in range(1, 15))
        for arms in allocation_list(protocol, seed=3).strata.values()
    ]
    assert not all(balanced_at_4k)


@settings(max_examples=50)
@given(st.integers(0, 2**63), st.lists(st.sampled_from(["small", "middle", "large"]), min_size=4, max_size=30))
def test_clusters_are_balanced_over_all_and_in_every_stratum(seed: int, strata: list[str]) -> None:
    clusters = [{"code": f"n{i}", "site": "site-a", "stratum": stratum} for i, stratum in enumerate(strata)]
    protocol = protocol_with(clusters=clusters)
    arms = allocation_list(protocol, seed=seed).clusters
    assert set(arms) == {cluster.code for cluster in protocol.clusters}
    for members in (strata, *({s} for s in set(strata))):
        chosen = [arms[c.code][0] for c in protocol.clusters if c.stratum in members]
        assert abs(chosen.count(Arm.USE) - chosen.count(Arm.USUAL)) <= 1


def test_each_cluster_goes_to_either_arm_equally_often() -> None:
    protocol = protocol_with()
    used = [allocation_list(protocol, seed=seed).clusters["n01"][0] is Arm.USE for seed in range(400)]
    assert 160 <= sum(used) <= 240  # binomial(400, 1/2): four standard deviations


@settings(max_examples=50)
@given(st.integers(0, 2**63), st.integers(3, 11))
def test_a_wedge_begins_as_usual_ends_with_the_tool_and_never_goes_back(seed: int, periods: int) -> None:
    protocol = protocol_with(allocation={"randomisation": "stepped_wedge", "periods": periods})
    arms = allocation_list(protocol, seed=seed).clusters
    steps = []
    for sequence in arms.values():
        assert len(sequence) == periods
        assert sequence[0] is Arm.USUAL
        assert sequence[-1] is Arm.USE
        assert all(not (one is Arm.USE and two is Arm.USUAL) for one, two in pairwise(sequence))
        steps.append(sequence.index(Arm.USE))
    per_step = [steps.count(step) for step in range(1, periods)]
    assert max(per_step) - min(per_step) <= 1


def test_a_patient_falls_into_a_stratum_of_the_list() -> None:
    protocol = individual({"use": 1, "usual": 1}, [4], ["site", "prior"])
    assert stratum_of(protocol, "n05", {"prior": "none", "age": "old"}) == "site-b/none"
    assert "site-b/none" in strata_of(protocol)
    with pytest.raises(InvalidInput, match="none, some"):
        stratum_of(protocol, "n05", {"prior": "much", "age": "old"})
    with pytest.raises(InvalidInput, match="is no factor"):
        stratum_of(protocol, "n05", {"prior": "none", "age": "old", "weight": "high"})


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InvalidInput, match="negative"):
        allocation_list(protocol_with(), seed=-1)
