"""The page of one participant: what is due before the consultation, at its allocation, after it, and later on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from cdss.evaluation.instruments import instrument
from cdss.evaluation.pages.follow_up import HOME, incident_form, outcome_form, withdrawal_form
from cdss.evaluation.pages.frame import Words, choice, form, named
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
    visits : frozenset of int
        Months of the outcome visits reported so far.
    withdrawn : bool
    """

    identifier: str
    protocol: Protocol
    arm: Arm | None
    answered: Mapping[tuple[str, str, str], float | None]
    events: frozenset[str]
    visits: frozenset[int] = frozenset()
    withdrawn: bool = False


def participant_page(say: Words, known: ParticipantPage) -> str:
    """Return the page of a participant: only what is due now can be filled in."""
    url = f"{HOME}/participants/{known.identifier}"
    code = escape(known.protocol.code)
    parts = [f"<p>{say('participant')} <code>{escape(known.identifier)}</code></p>"]
    back = f'<p><a href="{HOME}/trials/{code}?lang={say.language}">{say("back")}</a></p>'
    if known.withdrawn:
        return "".join([*parts, f"<p>{say('has_withdrawn')}</p>", back])
    if known.arm is not None:
        parts.append(f"<h2>{say(known.arm.value)}</h2>")
        if known.arm is Arm.USE:
            tool = f'href="{url}/tool?lang={say.language}" target="_blank" rel="noopener"'
            parts.append(f'<p><a id="open-tool" {tool}>{say("open_viewer")}</a> {say("in_new_tab")}</p>')
    parts += _consultation(say, known, url)
    if known.arm is not None and known.protocol.follow_up_months:
        parts.append(outcome_form(say, known.protocol, known.visits, url))
    parts += [incident_form(say, url), withdrawal_form(say, url), back]
    return "".join(parts)


def _consultation(say: Words, known: ParticipantPage, url: str) -> list[str]:
    """Return what is due around the consultation: scores that are in, forms that are not, and the next step."""
    moment = "before" if known.arm is None else "after"
    due = [
        scheduled
        for scheduled in known.protocol.instruments
        if moment in scheduled.moments and (known.arm is None or known.arm in scheduled.arms)
    ]
    open_forms = [s for s in due if (s.code, s.respondent, moment) not in known.answered]
    parts = [f"<h2>{say(moment)}</h2>"]
    parts += [_scored(say, s, known.answered[s.code, s.respondent, moment]) for s in due if s not in open_forms]
    if known.arm is None:
        if "considered_before" not in known.events:
            parts.append(_considered(say, url))
        parts += [_questionnaire(say, s, moment, url) for s in open_forms]
        if "considered_before" in known.events and not open_forms:
            parts.append(form(f"{url}/allocation", "", say("allocate"), say=say))
        return parts
    if "ended" not in known.events:
        parts.append(_decided(say, url, decided="decided" in known.events))
    parts += [_questionnaire(say, s, moment, url) for s in open_forms]
    if "ended" in known.events and not open_forms:
        parts.append(f"<p>{say('done')}</p>")
    return parts


def _scored(say: Words, scheduled: ScheduledInstrument, total: float | None) -> str:
    name = escape(instrument(scheduled.code).names[say.language])
    score = say("no_score") if total is None else say("score", total=f"{total:.0f}")
    return f"<p>{name}: {score}</p>"


def _classes(say: Words) -> list[tuple[str, str]]:
    return [(t.value, named(say, t.value)) for t in (*ACTIVE_TREATMENTS, Treatment.UNTREATED)]


def _considered(say: Words, url: str) -> str:
    inner = choice("treatment", _classes(say), label=say("considered_before"))
    return form(f"{url}/considered_before", f"<fieldset>{inner}</fieldset>", say("record"), say=say)


def _decided(say: Words, url: str, *, decided: bool) -> str:
    """Return the form that ends a consultation; what was decided is asked unless the tool has told it."""
    inner = "" if decided else choice("considered", _classes(say), label=say("considered_after"))
    inner += "" if decided else choice("treatment", _classes(say), label=say("decided"))
    inner += f'<label class="line">{say("minutes")} <input name="minutes" inputmode="decimal" required></label>'
    step = "ended" if decided else "decided"
    return form(f"{url}/{step}", f"<fieldset>{inner}</fieldset>", say("record"), say=say)


def _questionnaire(say: Words, scheduled: ScheduledInstrument, moment: str, url: str) -> str:
    chosen = instrument(scheduled.code)
    authorised = scheduled.wording.get("fr" if say.language == "fr" else "en")
    anchors = authorised.anchors if authorised else chosen.anchors[say.language]
    items = []
    for number, item in enumerate(authorised.items if authorised else chosen.items[say.language], start=1):
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
    note = escape(chosen.source) if authorised else say("paraphrase", wording=chosen.wording[say.language].strip())
    head = f"<h3>{escape(chosen.names[say.language])}, {say(f'by_{scheduled.respondent}')}</h3>"
    return (
        head
        + f'<p class="small">{note}</p>'
        + form(f"{url}/answers", hidden + "".join(items), say("record"), say=say)
    )
