"""The page of one participant: what is due before the consultation, the allocation, what is due after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from cdss.evaluation.instruments import instrument
from cdss.evaluation.pages.frame import Words, choice, form
from cdss.evaluation.pages.trial import HOME
from cdss.evaluation.protocol import Arm, Protocol, ScheduledInstrument
from reference_db.vocabulary import ACTIVE_TREATMENTS, Treatment


@dataclass(frozen=True)
class ParticipantPage:
    """What is known of a participant's consultation.

    Attributes
    ----------
    identifier : str
    protocol : Protocol
    arm : Arm or None
    answered : mapping of (instrument, respondent, moment) to score or None
    events : frozenset of str
        Kinds of events recorded so far.
    """

    identifier: str
    protocol: Protocol
    arm: Arm | None
    answered: Mapping[tuple[str, str, str], float | None]
    events: frozenset[str]


def participant_page(say: Words, known: ParticipantPage) -> str:
    """Return the page of a participant: only what is due now can be filled in."""
    url = f"{HOME}/participants/{known.identifier}"
    moment = "before" if known.arm is None else "after"
    parts = [f"<p>{say('participant')} <code>{escape(known.identifier)}</code></p>"]
    if known.arm is not None:
        parts.append(f"<h2>{say(known.arm.value)}</h2>")
        if known.arm is Arm.USE:
            parts.append(f'<p><a href="/viewer/">{say("open_viewer")}</a></p>')
    parts.append(f"<h2>{say(moment)}</h2>")
    due = [
        scheduled
        for scheduled in known.protocol.instruments
        if moment in scheduled.moments and (known.arm is None or known.arm in scheduled.arms)
    ]
    open_forms = [s for s in due if (s.code, s.respondent, moment) not in known.answered]
    parts += [_scored(say, s, known.answered[s.code, s.respondent, moment]) for s in due if s not in open_forms]
    parts += [_questionnaire(say, s, moment, url) for s in open_forms]
    event = "considered_before" if moment == "before" else "decided"
    if event not in known.events:
        parts.append(_treatment(say, event, url))
    elif not open_forms:
        parts.append(
            form(f"{url}/allocation", "", say("allocate"), say=say) if known.arm is None else f"<p>{say('done')}</p>"
        )
    code = escape(known.protocol.code)
    parts.append(f'<p><a href="{HOME}/trials/{code}?lang={say.language}">{say("back")}</a></p>')
    return "".join(parts)


def _scored(say: Words, scheduled: ScheduledInstrument, total: float | None) -> str:
    name = escape(instrument(scheduled.code).names[say.language])
    score = say("no_score") if total is None else say("score", total=f"{total:.0f}")
    return f"<p>{name}: {score}</p>"


def _treatment(say: Words, event: str, url: str) -> str:
    classes = [(treatment.value, treatment.value) for treatment in (*ACTIVE_TREATMENTS, Treatment.UNTREATED)]
    inner = choice("treatment", classes, label=say(event))
    if event == "decided":
        inner += f'<label class="line">{say("minutes")} <input name="minutes" inputmode="decimal" required></label>'
    return form(f"{url}/{event}", f"<fieldset>{inner}</fieldset>", say("record"), say=say)


def _questionnaire(say: Words, scheduled: ScheduledInstrument, moment: str, url: str) -> str:
    chosen = instrument(scheduled.code)
    items = []
    anchors = chosen.anchors[say.language]
    for number, item in enumerate(chosen.items[say.language], start=1):
        options = "".join(
            f'<label><input type="radio" name="item{number}" value="{value}"> {escape(anchor)}</label> '
            for value, anchor in zip(range(chosen.lowest, chosen.highest + 1), anchors, strict=True)
        )
        none = f'<label><input type="radio" name="item{number}" value="" checked> {say("leave_out")}</label>'
        items.append(f"<fieldset><legend>{number}. {escape(item)}</legend>{options}{none}</fieldset>")
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in (("instrument", scheduled.code), ("respondent", scheduled.respondent), ("moment", moment))
    )
    note = say("paraphrase", wording=chosen.wording)
    head = f"<h3>{escape(chosen.names[say.language])}, {say(f'by_{scheduled.respondent}')}</h3>"
    return (
        head
        + f'<p class="small">{note}</p>'
        + form(f"{url}/answers", hidden + "".join(items), say("record"), say=say)
    )
