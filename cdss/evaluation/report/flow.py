"""The flow of patients through the trial, as CONSORT draws it.

References
----------
Hopewell S et al. CONSORT 2025 statement. BMJ 2025;389:e081123, doi 10.1136/bmj-2024-081123. Campbell MK et al.
CONSORT 2010 statement: extension to cluster randomised trials. BMJ 2012;345:e5661, doi 10.1136/bmj.e5661.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from cdss.evaluation.dataset import TrialData, endpoint_data
from cdss.evaluation.protocol import Arm, Protocol, Randomisation
from cdss.evaluation.report.writing import ReportWords


@dataclass(frozen=True, slots=True)
class ArmFlow:
    """One arm of the flow: numbers of patients, and of neurologists."""

    clusters: int
    allocated: int
    withdrawn: int
    without_primary: int
    lost_to_follow_up: int
    analysed: int


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole flow.

    Attributes
    ----------
    asked, randomised : int
        Patients; those of neurologists who were randomised themselves are counted as randomised with them.
    not_randomised : mapping of str to int
        Patients by reason.
    randomised_neurologists : int
        0 where patients were randomised one by one.
    crossing : bool
        Whether neurologists take up the tool one after the other and so are in both arms.
    arms : mapping of Arm to ArmFlow
    """

    asked: int
    not_randomised: Mapping[str, int]
    randomised: int
    randomised_neurologists: int
    crossing: bool
    arms: Mapping[Arm, ArmFlow]


def patient_flow(protocol: Protocol, data: TrialData) -> Flow:
    """Return the flow of patients of a trial."""
    observed = endpoint_data(data, protocol.primary).observed
    last_year = (protocol.follow_up_months[-1] if protocol.follow_up_months else 0) / 12.0
    complete = (data.table["relapse_years"] >= last_year - 1e-9).to_numpy()
    arms = {}
    for arm in Arm:
        members = (data.table["arm"] == arm.value).to_numpy()
        arms[arm] = ArmFlow(
            clusters=int(data.table.loc[members, "cluster"].nunique()),
            allocated=int(members.sum()),
            withdrawn=int(data.table.loc[members, "withdrawn"].sum()),
            without_primary=int((members & ~observed).sum()),
            lost_to_follow_up=int((members & ~complete).sum()),
            analysed=int((members & observed).sum()),
        )
    randomisation = protocol.allocation.randomisation
    not_randomised = dict(sorted(data.screening.not_randomised.items()))
    return Flow(
        asked=len(data) + sum(not_randomised.values()),
        not_randomised=not_randomised,
        randomised=len(data),
        randomised_neurologists=0 if randomisation is Randomisation.INDIVIDUAL else len(protocol.clusters),
        crossing=randomisation is Randomisation.STEPPED_WEDGE,
        arms=arms,
    )


def flow_diagram(flow: Flow, say: ReportWords) -> str:
    """Return the flow as an SVG, with its text readable by machines and screen readers."""
    reasons = [say("reason", reason=say(reason), n=count) for reason, count in flow.not_randomised.items()]
    left = sum(flow.not_randomised.values())
    boxes = [_box(250, 10, 260, [say("asked", n=flow.asked)])]
    boxes.append(_box(530, 70, 210, [say("not_randomised", n=left), *reasons]))
    whole = flow.randomised_neurologists
    randomised = [say("randomised", n=flow.randomised)]
    if whole:
        randomised = [say("neurologists_randomised", n=whole), say("patients_of_theirs", n=flow.randomised)]
    boxes.append(_box(250, 150, 260, randomised))
    for x, arm in ((60, Arm.USE), (440, Arm.USUAL)):
        part = flow.arms[arm]
        lines = [
            say(f"arm_{arm.value}"),
            say("allocated", n=part.allocated),
            say("neurologists_while" if flow.crossing else "neurologists", n=part.clusters),
        ]
        boxes.append(_box(x, 230, 260, lines))
        boxes.append(
            _box(
                x,
                330,
                260,
                [
                    say("withdrawn", n=part.withdrawn),
                    say("without_primary", n=part.without_primary),
                    say("not_complete", n=part.lost_to_follow_up),
                ],
            )
        )
        boxes.append(_box(x, 430, 260, [say("analysed", n=part.analysed)]))
        boxes += [_arrow(x + 130, 296, x + 130, 328), _arrow(x + 130, 396, x + 130, 428)]
        boxes.append(_arrow(380, 162 + 18 * len(randomised), x + 130, 228))
    boxes += [_arrow(380, 40, 380, 148), _arrow(380, 95, 528, 95)]
    return (
        '<svg viewBox="0 0 760 480" role="img" '
        f'aria-label="{escape(say("picture_flow"))}" style="max-width:760px;width:100%">'
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="#444"/></marker></defs>{"".join(boxes)}</svg>'
    )


def _box(x: int, y: int, width: int, lines: list[str]) -> str:
    height = 12 + 18 * len(lines)
    text = "".join(
        f'<text x="{x + 10}" y="{y + 20 + 18 * i}" font-size="13" fill="#111">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    frame = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="#fff" stroke="#444"/>'
    return f"<g>{frame}{text}</g>"


def _arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#444" marker-end="url(#tip)"/>'
