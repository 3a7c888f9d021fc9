"""Rehearse a trial through its HTTP interface: simulated patients, every request that a real trial makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from cdss.evaluation.instruments import instrument
from cdss.evaluation.protocol import Arm
from cdss.evaluation.protocol import Protocol as TrialProtocol
from cdss.evaluation.simulation.consultations import PotentialTrial
from reference_db.errors import CdssError

API = "/api/v1/evaluation"


class Answered(Protocol):
    """What came back."""

    @property
    def status_code(self) -> int:
        """HTTP status."""

    @property
    def text(self) -> str:
        """Body."""

    def json(self) -> Any:  # noqa: ANN401  # any JSON
        """Body as JSON."""


class Client(Protocol):
    """An HTTP client with a base address and a session: httpx.Client, or a test client."""

    def post(self, url: str, *, json: Any = ...) -> Answered:  # noqa: ANN401  # any JSON
        """Send a request."""


class RehearsalFailed(CdssError):
    """The service refused a request of the rehearsal."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What was done.

    Attributes
    ----------
    participants : tuple of str
        Identifiers, in the order of enrolment.
    arms : tuple of Arm
        As the service allocated them.
    requests : int
    """

    participants: tuple[str, ...]
    arms: tuple[Arm, ...]
    requests: int


def rehearse(
    client: Client,
    protocol: TrialProtocol,
    trial: PotentialTrial,
    *,
    rng: np.random.Generator,
    progress: Callable[[float, str], None] = lambda _share, _step: None,
) -> Rehearsed:
    """Conduct a simulated trial through the HTTP interface of a service, in which it is open already.

    Parameters
    ----------
    client : Client
        With the session of someone who may evaluate (a trialist when the trial is a stepped wedge).
    protocol : Protocol
    trial : PotentialTrial
    rng : Generator
        Spreads scores over items.
    progress : callable
        Called with the share done and the present step.

    Raises
    ------
    RehearsalFailed
        With the answer of the service, when it refuses a request.
    """
    sent = _Sender(client)
    trial_url = f"{API}/trials/{protocol.code}"
    clusters = [cluster.code for cluster in protocol.clusters]
    for i in range(trial.declined):
        sent(f"{trial_url}/screening", {"cluster": clusters[i % len(clusters)], "reason": "declined"})
    participants: list[str] = []
    arms: list[Arm] = []
    period = 0
    for i, row in enumerate(trial.baseline.to_dict("records")):
        while row["period"] > period:
            sent(f"{trial_url}/period", None)
            period += 1
        participant, arm = _consult(sent, protocol, trial, i, row, rng)
        participants.append(participant)
        arms.append(arm)
        progress((i + 1) / len(trial), f"consultation {i + 1} of {len(trial)}")
    return Rehearsed(tuple(participants), tuple(arms), sent.requests)


@dataclass
class _Sender:
    client: Client
    requests: int = 0

    def __call__(self, url: str, body: Mapping[str, Any] | None) -> Any:  # noqa: ANN401  # any JSON
        self.requests += 1
        answered = self.client.post(url, json=body)
        if answered.status_code >= 400:
            raise RehearsalFailed(f"POST {url}: {answered.status_code} {answered.text}")
        return answered.json() if answered.text else None


def _consult(
    sent: _Sender,
    protocol: TrialProtocol,
    trial: PotentialTrial,
    i: int,
    row: Mapping[Any, Any],
    rng: np.random.Generator,
) -> tuple[str, Arm]:
    enrolment = {
        "cluster": row["cluster"],
        "consent": {"given": True, "version": protocol.consent.version, "language": "fr" if i % 2 else "en"},
        "baseline": _baseline(row),
        "factors": _factors(protocol, row["stratum"]),
    }
    participant = sent(f"{API}/trials/{protocol.code}/participants", enrolment)["participant"]
    url = f"{API}/participants/{participant}"
    sent(f"{url}/events", {"events": [_event("considered_before", 0, row["choice_before"])]})
    before = [
        _answer(i.code, i.respondent, "before", float(row["dcs_before"]) if i.code == "DCS" else 60.0, rng)
        for i in protocol.instruments
        if "before" in i.moments
    ]
    if before:
        sent(f"{url}/answers", {"answers": before})
    arm = Arm(sent(f"{url}/allocation", None)["arm"])
    seen = trial.outcomes[arm].iloc[i]
    sent(f"{url}/events", {"events": _consultation(arm, seen)})
    scores = {"DCS": seen["dcs_after"], "SDM-Q-9": seen["sdm_after"], "SUS": seen["sus_after"]}
    after = [
        _answer(i.code, i.respondent, "after", float(scores[i.code]), rng)
        for i in protocol.instruments
        if "after" in i.moments and arm in i.arms and math.isfinite(scores[i.code])
    ]
    if after:
        sent(f"{url}/answers", {"answers": after})
    visits = list(_visits(protocol, seen, rng))
    if visits:
        sent(f"{url}/outcomes", {"visits": visits})
    return participant, arm


def _baseline(row: Mapping[Any, Any]) -> dict[str, Any]:
    known = {
        name: row[name]
        for name in ("age", "sex", "phenotype", "years_since_onset", "edss", "relapses_12m", "prior_treatment")
        if not pd.isna(row[name])
    }
    if "relapses_12m" in known:
        known["relapses_12m"] = int(known["relapses_12m"])
    return known


def _factors(protocol: TrialProtocol, stratum: str) -> dict[str, str]:
    """Return the level of each factor; those that do not stratify take their first level."""
    named = [name for name in protocol.allocation.stratify_by if name not in ("cluster", "site")]
    levels = stratum.split("/")[-len(named) :] if named else []
    chosen = dict(zip(named, levels, strict=True))
    return {factor.name: chosen.get(factor.name, factor.levels[0]) for factor in protocol.factors}


def _event(kind: str, seconds: float, detail: str = "") -> dict[str, Any]:
    return {"kind": kind, "seconds": round(seconds), "detail": detail}


def _consultation(arm: Arm, seen: pd.Series) -> list[dict[str, Any]]:
    end = float(seen["consultation_minutes"]) * 60.0
    choice = str(seen["choice_after"])
    events = [_event("considered_after", 0.8 * end, choice), _event("decided", 0.9 * end, choice)]
    if arm is Arm.USE:
        looked = [("opened", 0.0, ""), ("viewed", 0.1, "consultation"), ("reweighted", 0.3, "age")]
        events = [_event(kind, share * end, detail) for kind, share, detail in looked] + events
        events.append(_event("closed", end))
    return [*events, _event("ended", end)]


def _answer(code: str, respondent: str, moment: str, score: float, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "instrument": code,
        "respondent": respondent,
        "moment": moment,
        "language": "en",
        "responses": responses_of(code, score, rng),
    }


def responses_of(code: str, score: float, rng: np.random.Generator) -> list[int]:
    """Return responses whose score is a given one, rounded at random to a possible one (so, right on average).

    Parameters
    ----------
    code : str
        Of the instrument.
    score : float
        0 to 100.
    rng : Generator
    """
    chosen = instrument(code)
    steps = chosen.highest - chosen.lowest
    wanted = score / 100.0 * chosen.length * steps
    points = int(np.floor(wanted)) + int(rng.random() < wanted % 1.0)
    each = np.full(chosen.length, points // chosen.length)
    each[rng.permutation(chosen.length)[: points % chosen.length]] += 1
    return [
        int(chosen.highest - value if item in chosen.reversed_items else chosen.lowest + value)
        for item, value in enumerate(each, start=1)
    ]


def _visits(protocol: TrialProtocol, seen: pd.Series, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield what each attended visit reports: relapses spread over the visits, last EDSS, onset of worsening."""
    if pd.isna(seen["relapse_years"]):
        return
    months = [month for month in protocol.follow_up_months if month <= seen["relapse_years"] * 12.0 + 1e-9]
    when = rng.integers(0, len(months), int(min(seen["relapses"], 15)))
    onset = float(seen["worsening_months"]) if seen["worsening_event"] else math.inf
    for j, month in enumerate(months):
        visit: dict[str, Any] = {"month": month, "relapses": int((when == j).sum())}
        if month == protocol.follow_up_months[-1]:
            visit["edss"] = float(seen["edss_last"])
        if onset <= month:
            visit["worsening_month"] = onset
        yield visit
