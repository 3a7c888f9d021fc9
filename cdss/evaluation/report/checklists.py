"""The checklists DECIDE-AI and CONSORT-AI, filled from protocol and analysis; the rest is left to the authors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from cdss.evaluation.protocol import Protocol

ALGORITHM = (
    "Exact weighted nearest-neighbour search per treatment class in an anonymous synthetic reference database, with "
    "regression correction of the change of the patients of reference; deterministic, not learning in use."
)


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


def filled_checklist(name: str, protocol: Protocol, figures: Mapping[str, str]) -> tuple[ChecklistItem, ...]:
    """Return the items of a checklist with their answers.

    Parameters
    ----------
    name : str
        ``DECIDE-AI`` or ``CONSORT-AI``.
    protocol : Protocol
    figures : mapping of str to str
        Sentences from the analysis, by the names that the catalogue uses after ``figures.``, and ``releases``.
    """
    return tuple(
        ChecklistItem(
            item=entry["item"],
            topic=entry["topic"],
            answer=" ".join(filter(None, (_answer(source, protocol, figures) for source in entry.get("from", ())))),
            authors=entry.get("authors", ""),
        )
        for entry in _catalogue()[name]["items"]
    )


def _answer(source: str, protocol: Protocol, figures: Mapping[str, str]) -> str:
    if source == "algorithm":
        return ALGORITHM
    if source == "releases":
        return figures["releases"]
    if source.startswith("figures."):
        return figures[source.removeprefix("figures.")]
    written = {
        "identity": f"Protocol {protocol.code}, version {protocol.version}, SHA-256 {protocol.digest}.",
        "clusters": f"{len(protocol.clusters)} neurologists in {len({c.site for c in protocol.clusters})} sites.",
        "sample_size": f"{protocol.sample_size} consultations.",
        "endpoints": "; ".join(f"{e.name} ({e.role}, {e.kind.value.replace('_', ' ')})" for e in protocol.endpoints)
        + ".",
        "instruments": "; ".join(
            f"{i.code} by the {i.respondent} {' and '.join(i.moments)} the consultation"
            f" ({'authorised wording' if i.wording else 'paraphrased: not a validated use of the instrument'})"
            for i in protocol.instruments
        )
        + ".",
        "analysis": f"Intention to treat; {protocol.analysis.primary_model} model for the primary endpoint, "
        f"two-sided level {protocol.analysis.alpha:g}; {protocol.analysis.multiplicity} for the secondary ones; "
        f"{protocol.analysis.imputations} imputations in the sensitivity analysis.",
    }
    if source in written:
        return written[source]
    value: Any = protocol
    for part in source.split("."):
        value = getattr(value, part)
    return "; ".join(value) + "." if isinstance(value, tuple) else str(value)
