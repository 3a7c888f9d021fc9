"""What became of each part of a record on its way to a patient of interest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cdss.ehr.elements import Json, name_of

MOST_FINDINGS = 500
"""Findings kept one by one; a record of many thousand resources is summed up beyond them."""


class Use(StrEnum):
    """What was done with a part of the record."""

    USED = "used"
    CONVERTED = "unit converted"
    AMBIGUOUS = "ambiguous"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the record and what was done with it.

    Attributes
    ----------
    use : Use
    feature : str
        Field of the patient of interest that it is about.
    resource : str
        ``Type/id`` of the resource.
    reason : str
        What was read, or why it was not used. May hold clinical values: it is for the caller, never for a log.
    """

    use: Use
    feature: str
    resource: str
    reason: str


@dataclass
class MappingReport:
    """Collects findings while a record is read.

    Attributes
    ----------
    findings : list of Finding
        About resources that bear on a feature, in reading order.
    beside_the_point : Counter of str
        Resources that bear on no feature, per type.
    not_listed : int
        Findings beyond the first `MOST_FINDINGS`.
    """

    findings: list[Finding] = field(default_factory=list)
    beside_the_point: Counter[str] = field(default_factory=Counter)
    not_listed: int = 0

    def _add(self, use: Use, feature: str, resource: Json, reason: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(use, feature, name_of(resource), reason))
        else:
            self.not_listed += 1

    def used(self, feature: str, resource: Json, reason: str) -> None:
        """Note a part that went into a feature as it stands."""
        self._add(Use.USED, feature, resource, reason)

    def converted(self, feature: str, resource: Json, reason: str) -> None:
        """Note a part that went into a feature after a change of unit."""
        self._add(Use.CONVERTED, feature, resource, reason)

    def ambiguous(self, feature: str, resource: Json, reason: str) -> None:
        """Note a part that could be read in more than one way, and how it was settled."""
        self._add(Use.AMBIGUOUS, feature, resource, reason)

    def ignored(self, feature: str, resource: Json, reason: str) -> None:
        """Note a part about a feature that could not be used."""
        self._add(Use.IGNORED, feature, resource, reason)

    def passed_over(self, resource: Json) -> None:
        """Count a resource that bears on no feature."""
        kind = resource.get("resourceType")
        self.beside_the_point[kind if isinstance(kind, str) and kind else "resource"] += 1

    def counts(self) -> Mapping[str, int]:
        """Return the number of findings per use."""
        return Counter(finding.use.value for finding in self.findings)
