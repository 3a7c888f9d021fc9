"""Who gets the tool: stratified permuted blocks, clusters, and stepped wedges, reproducible from one secret seed.

Each stratum has a stream of random numbers of its own, made from the seed, the digest of the protocol and the name of
the stratum, so its list depends neither on the order of enrolment nor on the other strata. Whoever holds seed and
protocol recomputes the list byte for byte; whoever does not cannot tell the next allocation, because the sizes of the
blocks are random too.

A *commitment* to the whole list is published before the first patient and the seed after the last one, so that
anybody can check that the list was not changed in between (SHA-256 over a random salt and the list).

References
----------
Matts JP, Lachin JM. Properties of permuted-block randomization in clinical trials. Control Clin Trials
1988;9(4):327-344, doi 10.1016/0197-2456(88)90047-5. Hussey MA, Hughes JP. Design and analysis of stepped wedge
cluster randomized trials. Contemp Clin Trials 2007;28(2):182-191, doi 10.1016/j.cct.2006.05.007.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from cdss.evaluation.protocol import Arm, Protocol, Randomisation
from cdss.evaluation.reasons import fault
from reference_db.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class AllocationList:
    """The whole allocation of a trial, made before the first patient and kept secret until the last.

    Attributes
    ----------
    protocol_digest : str
        Digest of the protocol that it belongs to.
    strata : mapping of str to tuple of Arm
        For individual randomisation, the arms of successive patients per stratum; otherwise empty.
    clusters : mapping of str to tuple of Arm
        For clusters and stepped wedges, the arm of each cluster in each period; otherwise empty.
    """

    protocol_digest: str
    strata: Mapping[str, tuple[Arm, ...]]
    clusters: Mapping[str, tuple[Arm, ...]]

    def lines(self) -> Iterator[str]:
        """Yield the list as text, one line per stratum or cluster, in a fixed order."""
        yield f"protocol {self.protocol_digest}"
        for kind, entries in (("stratum", self.strata), ("cluster", self.clusters)):
            for name in sorted(entries):
                yield f"{kind} {name}: {' '.join(entries[name])}"

    def commitment(self, salt: str) -> str:
        """Return the SHA-256 that commits to this list without giving it away."""
        return hashlib.sha256("\n".join((salt, *self.lines())).encode()).hexdigest()

    def is_committed_to(self, commitment: str, salt: str) -> bool:
        """Return whether a commitment published earlier is to this list."""
        return hmac.compare_digest(self.commitment(salt), commitment)


def allocation_list(protocol: Protocol, *, seed: int) -> AllocationList:
    """Return the allocation of a protocol.

    Parameters
    ----------
    protocol : Protocol
    seed : int
        Not negative. Secret until the trial is closed.
    """
    if protocol.allocation.randomisation is Randomisation.INDIVIDUAL:
        strata = {
            name: _permuted_blocks(protocol, protocol.sample_size, _stream(protocol, seed, name))
            for name in strata_of(protocol)
        }
        return AllocationList(protocol.digest, strata, {})
    if protocol.allocation.randomisation is Randomisation.CLUSTER:
        return AllocationList(protocol.digest, {}, _clusters(protocol, seed))
    return AllocationList(protocol.digest, {}, _wedge(protocol, seed))


def strata_of(protocol: Protocol) -> tuple[str, ...]:
    """Return the names of all strata of individual randomisation; one, ``all``, when nothing stratifies."""
    by = protocol.allocation.stratify_by
    levels = {factor.name: factor.levels for factor in protocol.factors}
    chosen = [name for name in by if name not in ("cluster", "site")]
    places = sorted({_place(protocol, cluster.code) for cluster in protocol.clusters})
    combinations = product(places, *(levels[name] for name in chosen))
    return tuple("/".join(filter(None, combination)) or "all" for combination in combinations)


def stratum_of(protocol: Protocol, cluster: str, factors: Mapping[str, str]) -> str:
    """Return the stratum of a patient.

    Raises
    ------
    InvalidInput
        If the cluster is unknown, or a factor is missing, unknown, or at no level of the protocol.
    """
    place = _place(protocol, protocol.cluster(cluster).code)
    known = {factor.name: factor.levels for factor in protocol.factors}
    problems = [
        fault(f"factors.{name}", "no_level", ", ".join(levels))
        for name, levels in known.items()
        if factors.get(name) not in levels
    ]
    problems += [fault(f"factors.{name}", "no_factor") for name in set(factors) - set(known)]
    if problems:
        raise InvalidInput(problems)
    chosen = [factors[name] for name in protocol.allocation.stratify_by if name not in ("cluster", "site")]
    return "/".join(filter(None, (place, *chosen))) or "all"


def _place(protocol: Protocol, code: str) -> str:
    by = protocol.allocation.stratify_by
    if "cluster" in by:
        return code
    return protocol.cluster(code).site if "site" in by else ""


def _stream(protocol: Protocol, seed: int, name: str) -> np.random.Generator:
    if seed < 0:
        raise InvalidInput.of("seed", f"{seed} is negative", "a whole number, 0 or more")
    digest = hashlib.sha256(f"{seed}|{protocol.digest}|{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _block(protocol: Protocol, size: int, rng: np.random.Generator) -> list[Arm]:
    ratio = protocol.allocation.ratio
    repeats = size // sum(ratio.values())
    arms = [arm for arm in Arm for _ in range(ratio[arm] * repeats)]
    return [arms[i] for i in rng.permutation(size)]


def _permuted_blocks(protocol: Protocol, length: int, rng: np.random.Generator) -> tuple[Arm, ...]:
    arms: list[Arm] = []
    while len(arms) < length:
        arms += _block(protocol, int(rng.choice(protocol.allocation.block_sizes)), rng)
    return tuple(arms)


def _clusters(protocol: Protocol, seed: int) -> dict[str, tuple[Arm, ...]]:
    """Return the arm of each cluster: balanced in each stratum, and over what is left of the strata."""
    rng = _stream(protocol, seed, "clusters")
    whole = sum(protocol.allocation.ratio.values())
    arms: dict[str, tuple[Arm, ...]] = {}
    left: list[str] = []
    for stratum in sorted({cluster.stratum for cluster in protocol.clusters}):
        members = sorted(cluster.code for cluster in protocol.clusters if cluster.stratum == stratum)
        shuffled = [members[i] for i in rng.permutation(len(members))]
        full = len(shuffled) - len(shuffled) % whole
        left += shuffled[full:]
        if full:
            for code, arm in zip(shuffled[:full], _block(protocol, full, rng), strict=True):
                arms[code] = (arm,)
    over = len(left) % whole
    block = [arm for _ in range(len(left) // whole) for arm in _block(protocol, whole, rng)]
    block += _block(protocol, whole, rng)[:over]
    arms |= {code: (arm,) for code, arm in zip(left, block, strict=True)}
    return arms


def _wedge(protocol: Protocol, seed: int) -> dict[str, tuple[Arm, ...]]:
    """Return the arms of each cluster over the periods: all as usual first, all with the tool last, never back."""
    rng = _stream(protocol, seed, "wedge")
    periods = protocol.allocation.periods
    codes = sorted(cluster.code for cluster in protocol.clusters)
    order = [codes[i] for i in rng.permutation(len(codes))]
    steps = periods - 1
    crossing = [1 + (i * steps) // len(order) for i in range(len(order))]
    return {
        code: tuple(Arm.USE if period >= begin else Arm.USUAL for period in range(periods))
        for code, begin in zip(order, crossing, strict=True)
    }
