"""The ways to make an avatar of neighbours, and the two that have a name."""

from __future__ import annotations

from dataclasses import dataclass

from reference_db.errors import FieldProblem, InvalidInput


@dataclass(frozen=True, slots=True)
class Method:
    """How neighbours become an avatar: privacy on one side, fidelity on the other.

    Attributes
    ----------
    donor_limit : float
        Largest weight of one neighbour, over 0 to 1. Lower hides each patient better among the others and smooths
        local structure; 1 is no limit (in the reference method the median largest weight is then .54).
    residual : float
        Share of the local spread that is put back, 0 to 1. 0 gives means, whose standard deviations fall to about
        three quarters; 1 restores them, and moves avatars away from their neighbours' centre.
    restored_margins : bool
        Mix normal scores and give every numeric column, and every label with an order, its smoothed distribution
        back. Counts and scales keep their mean and their zeros; without it they are rounded means.
    restored_covariance : bool
        Give the numbers back the covariance that mixing changes (`margins.restore_covariance`).
    shared_levels : float
        Share of the labels without an order in an avatar that come from one and the same donor, 0 to 1; the others
        are drawn one by one. Labels with an order, those of two levels among them, are mixed as numbers. More keeps
        how categories go together and takes more from one patient.
    candidates : int
        Avatars made around each record, of which calibration takes one so that the totals of the stratum hold; 1 is
        none. Only tables with statistics of their own (episodes) use more, and still more in small strata.
    """

    donor_limit: float = 1.0
    residual: float = 0.0
    restored_margins: bool = False
    restored_covariance: bool = False
    shared_levels: float = 0.0
    candidates: int = 1

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.donor_limit <= 1:
            problems.append(FieldProblem("donor_limit", f"{self.donor_limit} is not a share", "over 0, up to 1"))
        if not 0 <= self.residual <= 1:
            problems.append(FieldProblem("residual", f"{self.residual} is not a share", "0 to 1"))
        if not 0 <= self.shared_levels <= 1:
            problems.append(FieldProblem("shared_levels", f"{self.shared_levels} is not a share", "0 to 1"))
        if self.candidates < 1:
            problems.append(FieldProblem("candidates", f"{self.candidates} avatars to choose from", "1 or more"))
        if problems:
            raise InvalidInput(problems)


REFERENCE = Method()
"""The published method, for replication."""

RELEASE = Method(donor_limit=0.07, residual=1.0, restored_margins=True, restored_covariance=True, shared_levels=0.4)
"""The default."""

EPISODES = Method(donor_limit=0.04, residual=1.0, restored_margins=True, candidates=3)
"""The default of episodes. Their few labels need no shared donor, who would betray membership."""
