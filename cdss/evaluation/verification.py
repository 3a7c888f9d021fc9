"""Whether a closed trial was allocated as it was committed to."""

from __future__ import annotations

from sqlalchemy import select

from cdss.evaluation.conduct import Conduct
from cdss.evaluation.protocol import Randomisation
from cdss.evaluation.records import ParticipantRecord


def departures(conduct: Conduct, code: str) -> tuple[str, ...]:
    """Return every departure of the allocation from the list committed to; none when all is well.

    Parameters
    ----------
    conduct : Conduct
    code : str
        Of a closed trial.

    Raises
    ------
    NotFound
        If there is no trial of that code.
    NotAllowed
        If the trial is open: the list is secret until then.
    """
    state, protocol = conduct.trial(code)
    allocation = conduct.allocation_list(code)
    found = []
    if protocol.digest != state.digest:
        found.append("the protocol is not the one that was opened")
    if not allocation.is_committed_to(state.commitment, state.salt or ""):
        found.append("the allocation list is not the one committed to")
    with conduct.database.reading() as session:
        patients = session.scalars(
            select(ParticipantRecord)
            .where(ParticipantRecord.trial == code, ParticipantRecord.arm.is_not(None))
            .order_by(ParticipantRecord.stratum, ParticipantRecord.position)
        ).all()
    individual = protocol.allocation.randomisation is Randomisation.INDIVIDUAL
    expected_position: dict[str, int] = {}
    for patient in patients:
        if individual:
            position = expected_position.get(patient.stratum, 0)
            expected_position[patient.stratum] = position + 1
            if patient.position != position:
                found.append(f"stratum {patient.stratum}: position {position} was skipped or given twice")
            arm = allocation.strata[patient.stratum][patient.position or 0]
        else:
            arm = allocation.clusters[patient.cluster][patient.period]
        if patient.arm != arm.value:
            found.append(f"participant {patient.identifier}: in arm {patient.arm}, the list says {arm.value}")
    return tuple(found)
