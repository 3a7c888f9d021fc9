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
    least_distance : float
        Share of the mean distance of neighbours, 0 to 1, under which all count as equally near. The formula divides
        by the distance: with 0, a record that has duplicates becomes one of them.
    residual : float
        Share of the local spread that is put back, 0 to 1. 0 gives means, whose standard deviations fall to about
        three quarters; 1 restores them, and moves avatars away from their neighbours' centre.
    restored_margins : bool
        Mix normal scores and give every numeric column, and every label that is mixed, its smoothed distribution
        back. Counts and scales keep their mean and their zeros; without it they are rounded means.
    closest_labels : bool
        A label with an order is drawn from the donors, and not mixed as a number, where that keeps its correlations
        with the other columns better (a diagnosis that everything points to), and levels are drawn as often as the
        originals have them. Without it every label with an order is mixed where margins are restored.
    restored_covariance : bool
        Give the numbers back the covariance that mixing changes (`margins.restore_covariance`).
    candidates : int
        Avatars made around each record, of which calibration takes one so that the totals of the stratum hold; 1 is
        none. Only tables with statistics of their own (episodes) use more, and still more in small strata.
    """

    donor_limit: float = 1.0
    least_distance: float = 0.0
    residual: float = 0.0
    restored_margins: bool = False
    closest_labels: bool = False
    restored_covariance: bool = False
    candidates: int = 1

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.donor_limit <= 1:
            problems.append(FieldProblem("donor_limit", f"{self.donor_limit} is not a share", "over 0, up to 1"))
        if not 0 <= self.least_distance <= 1:
            problems.append(FieldProblem("least_distance", f"{self.least_distance} is not a share", "0 to 1"))
        if not 0 <= self.residual <= 1:
            problems.append(FieldProblem("residual", f"{self.residual} is not a share", "0 to 1"))
        if self.candidates < 1:
            problems.append(FieldProblem("candidates", f"{self.candidates} avatars to choose from", "1 or more"))
        if problems:
            raise InvalidInput(problems)


REFERENCE = Method()
"""The published method, for replication."""

RELEASE = Method(
    donor_limit=0.07,
    least_distance=0.5,
    residual=1.0,
    restored_margins=True,
    closest_labels=True,
    restored_covariance=True,
)
"""The default."""

EPISODES = Method(donor_limit=0.04, least_distance=0.5, residual=1.0, restored_margins=True, candidates=3)
"""The default of episodes."""
