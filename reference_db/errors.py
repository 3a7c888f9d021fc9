"""The exceptions of the house, one tree.

    CdssError                    anything a caller may want to report in one line
    ├── InvalidInput             what was given cannot be used; says what is allowed
    │   ├── InvalidTable         a table breaks its schema or cannot be anonymised
    │   └── InvalidPatient       a patient of interest breaks its model      (selection)
    ├── ReleaseError             a release cannot be used
    │   ├── ReleaseNotFound      there is none of that name
    │   ├── ReleaseCorrupted     its files do not match its manifest
    │   └── ReleaseQuarantined   its privacy assessment missed a target
    ├── BuildError               a build could not be finished; nothing was released
    └── SiloError                silos cannot answer together            (selection.silos)

The command line turns the tree into exit codes, the service into problem details (RFC 9457), each at one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class CdssError(Exception):
    """Base of every error that is meant to be read by a person."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one named field.

    Parameters
    ----------
    field : str
        Name of the field or column, with its position where there is one (``history[0].edss``).
    message : str
        What is wrong and how to mend it, in one sentence without a final stop.
    allowed : str
        The allowed range or values, with the unit.
    """

    field: str
    message: str
    allowed: str = ""

    def __str__(self) -> str:
        """One line: field, message, allowed range."""
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"{self.field}: {self.message}{allowed}"


class InvalidInput(CdssError):
    """What was given cannot be used.

    Parameters
    ----------
    problems : sequence of FieldProblem
        Every problem that was found, not only the first.
    """

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, field: str, message: str, allowed: str = "") -> InvalidInput:
        """Build the error of a single problem."""
        return cls([FieldProblem(field, message, allowed)])


class InvalidTable(InvalidInput):
    """A table breaks its schema, or cannot be anonymised as asked."""


class ReleaseError(CdssError):
    """A release cannot be used."""


class ReleaseNotFound(ReleaseError):
    """There is no release of that name."""


class ReleaseCorrupted(ReleaseError):
    """The files of a release do not match its manifest."""


class ReleaseQuarantined(ReleaseError):
    """The privacy assessment of a release missed a target, so it may not be served."""


class BuildError(CdssError):
    """A build could not be finished; nothing was released."""
