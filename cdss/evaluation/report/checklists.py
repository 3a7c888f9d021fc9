"""The checklists DECIDE-AI and CONSORT-AI, filled from protocol and analysis; the rest is left to the authors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from cdss.evaluation.protocol import Protocol
from cdss.evaluation.report.writing import ReportWords


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item of a checklist, answered as far as protocol and data can.

    Attributes
    ----------
    item, topic : str
        Number in the guideline, and what it asks in our own words.
    answer : str
        Empty when only the authors can answer.
    authors : str
        What is left to the authors.
    """

    item: str
    topic: str
    answer: str
    authors: str


@cache
def _catalogue() -> Mapping[str, Any]:
    text = resources.files("cdss.evaluation.report").joinpath("checklists.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


def checklist_names() -> tuple[str, ...]:
    """Return the names of the checklists."""
    return tuple(_catalogue())


def checklist_source(name: str) -> str:
    """Return the publication of a checklist."""
    return str(_catalogue()[name]["source"])


def filled_checklist(
    name: str, protocol: Protocol, figures: Mapping[str, str], say: ReportWords
) -> tuple[ChecklistItem, ...]:
    """Return the items of a checklist with their answers.

    Parameters
    ----------
    name : str
        ``DECIDE-AI`` or ``CONSORT-AI``.
    protocol : Protocol
    figures : mapping of str to str
        Sentences from the analysis, by the names that the catalogue uses after ``figures.``, and ``releases``.
    say : ReportWords
    """
    written = {**_written(protocol, say), "releases": figures["releases"]}
    return tuple(
        ChecklistItem(
            item=entry["item"],
            topic=entry["topic"][say.language],
            answer=" ".join(
                filter(None, (_answer(source, protocol, figures, written) for source in entry.get("from", ())))
            ),
            authors=entry.get("authors", {}).get(say.language, ""),
        )
        for entry in _catalogue()[name]["items"]
    )


def _written(protocol: Protocol, say: ReportWords) -> dict[str, str]:
    """Return what is said of the protocol in sentences."""
    plan = protocol.analysis
    endpoints = (
        say("one_endpoint", name=e.name, role=say(e.role), kind=say(e.kind.value)) for e in protocol.endpoints
    )
    instruments = (
        say(
            "one_instrument",
            code=i.code,
            respondent=say(i.respondent),
            moments=f" {say('and')} ".join(map(say, i.moments)),
            wording=say("authorised" if i.wording else "paraphrased"),
        )
        for i in protocol.instruments
    )
    sites = len({c.site for c in protocol.clusters})
    return {
        "algorithm": say("algorithm"),
        "identity": say("identity", code=protocol.code, version=protocol.version, digest=protocol.digest),
        "clusters": say("clusters", clusters=len(protocol.clusters), sites=sites),
        "sample_size": say("sample_size", n=protocol.sample_size),
        "endpoints": "; ".join(endpoints) + ".",
        "instruments": "; ".join(instruments) + ".",
        "analysis": say(
            "analysis",
            model=say(f"model_{plan.primary_model}"),
            alpha=say.decimals(f"{plan.alpha:g}"),
            multiplicity=say(plan.multiplicity),
            imputations=plan.imputations,
        ),
    }


def _answer(source: str, protocol: Protocol, figures: Mapping[str, str], written: Mapping[str, str]) -> str:
    if source.startswith("figures."):
        return figures[source.removeprefix("figures.")]
    if source in written:
        return written[source]
    value: Any = protocol
    for part in source.split("."):
        value = getattr(value, part)
    return "; ".join(value) + "." if isinstance(value, tuple) else str(value)
