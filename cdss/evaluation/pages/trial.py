"""The list of trials, and the page of one: how it is going, and the form for a new patient."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import get_args

from cdss.evaluation.conduct import CLOSED, TrialState
from cdss.evaluation.conduct.follow_up import VisitDue
from cdss.evaluation.forms import Reason
from cdss.evaluation.monitoring import Monitoring
from cdss.evaluation.pages.follow_up import HOME, due_table, incident_form
from cdss.evaluation.pages.frame import Words, choice, form, named, rows
from cdss.evaluation.pages.lead import opening_form, state_section
from cdss.evaluation.protocol import Protocol
from cdss.security.roles import PERMISSIONS, Permission
from reference_db.schema import AGE_RANGE
from reference_db.vocabulary import Phenotype, Sex


def home_page(
    say: Words, trials: Sequence[TrialState], *, who: str, declare: bool, leads: bool = False, written: str = ""
) -> str:
    """Return the list of trials, with the forms in which people say who they are, and open one.

    Parameters
    ----------
    say : Words
    trials : sequence of TrialState
    who : str
        Name of the caller; empty for nobody in particular.
    declare : bool
        Whether people say who they are here.
    leads : bool
        Whether the caller may open a trial.
    written : str
        The protocol that was written into the form already.
    """
    parts = [f"<p>{say('who')} <strong>{escape(who)}</strong>.</p>"] if who else []
    if declare:
        roles = [(role.value, named(say, role.value)) for role in sorted(PERMISSIONS[Permission.EVALUATE])]
        name = f'<label>{say("name")} <input name="name" required maxlength="80"></label>'
        inner = (
            f"<fieldset><legend>{say('declare')}</legend>{name}{choice('role', roles, label=say('role'))}</fieldset>"
        )
        parts.append(form(f"{HOME}/session", inner, say("enter"), say=say))
    if who:
        links = "".join(
            f'<li><a href="{HOME}/trials/{escape(trial.code)}?lang={say.language}">{escape(trial.code)}</a> '
            f"({escape(named(say, trial.status))})</li>"
            for trial in trials
        )
        parts.append(f"<h2>{say('trials')}</h2>" + (f"<ul>{links}</ul>" if links else f"<p>{say('none')}</p>"))
    if leads:
        parts.append(opening_form(say, written))
    return "".join(parts)


def trial_page(
    say: Words,
    protocol: Protocol,
    state: Monitoring,
    due: Sequence[VisitDue],
    *,
    leads: bool = False,
    departures: int | None = None,
) -> str:
    """Return the page of a trial.

    Parameters
    ----------
    say : Words
    protocol : Protocol
    state : Monitoring
    due : sequence of VisitDue
    leads : bool
        Whether the caller may close it and read its report.
    departures : int, optional
        Allocations that are not as committed, once it is closed.
    """
    pairs: list[tuple[str, object]] = [
        (say("allocated"), f"{state.allocated} / {state.planned}"),
        (say("consented"), state.consented),
        (say("withdrawn"), state.withdrawn),
    ]
    for label, counts in (
        ("arm", state.by_arm),
        ("neurologist", state.by_cluster),
        ("not_randomised", state.not_randomised),
        ("incidents", state.incidents),
    ):
        pairs += [
            (f"{say(label)}{say.texts['colon']} {escape(named(say, name))}", number)
            for name, number in counts.items()
        ]
    for name, share in state.questionnaires.items():
        words = ", ".join(named(say, part) for part in name.split(", "))
        pairs.append((escape(words), f"{share.received} / {share.expected}"))
    for month, share in state.visits.items():
        pairs.append((f"{say('visit')} {escape(month)}", f"{share.received} / {share.expected}"))
    pairs += [
        (say("opened"), state.opened),
        (say("deviations"), state.deviations),
        (say("undecided"), state.incomplete_consultations),
        (say("overdue"), state.visits_overdue),
    ]
    url = f"{HOME}/trials/{escape(protocol.code)}"
    enrolment = "" if state.trial.status == CLOSED else _enrolment(say, protocol)
    return (
        f"<h2>{escape(protocol.title)}</h2>{_find(say)}{enrolment}"
        f"<h2>{say('visits_due')}</h2>{due_table(say, due)}"
        + incident_form(say, url, clusters=[cluster.code for cluster in protocol.clusters])
        + f"<h2>{say('monitoring')}</h2>{rows(pairs)}"
        f"{state_section(say, protocol, state.trial, leads=leads, departures=departures)}"
        f'<p><a href="{HOME}?lang={say.language}">{say("trials")}</a></p>'
    )


def _find(say: Words) -> str:
    """Return the form that leads back to a participant, by the identifier that the site kept."""
    return (
        f'<form method="get" action="{HOME}/participants"><fieldset><legend>{say("known_patient")}</legend>'
        f'<input type="hidden" name="lang" value="{say.language}"><label class="line">{say("participant")} '
        f'<input name="identifier" required pattern="[0-9a-f]{{16}}" autocomplete="off"></label>'
        f"<button>{say('go')}</button></fieldset></form>"
    )


def _enrolment(say: Words, protocol: Protocol) -> str:
    consent = say("consent", version=protocol.consent.version)
    inner = [
        f"<fieldset><legend>{say('new_patient')}</legend>",
        choice("cluster", [(c.code, c.code) for c in protocol.clusters], label=say("neurologist")),
        f'<label class="line"><input type="radio" name="consent" value="yes" required> {consent}</label>',
        f'<label class="line"><input type="radio" name="consent" value="no"> {say("declines")}</label>',
        choice(
            "reason",
            [(reason, named(say, reason)) for reason in get_args(Reason)],
            label=say("reason"),
            required=False,
        ),
        f'<label class="line">{say("age")} <input name="age" inputmode="decimal" min="18" '
        f'max="{AGE_RANGE[1]:g}"></label>',
        choice(
            "phenotype", [(p.value, named(say, p.value)) for p in Phenotype], label=say("phenotype"), required=False
        ),
        f'<label class="line">{say("edss")} <input name="edss" inputmode="decimal"></label>',
        choice("sex", [(s.value, named(say, s.value)) for s in Sex], label=say("sex"), required=False),
        *(
            choice(
                f"factor-{factor.name}",
                [(level, level) for level in factor.levels],
                label=escape(factor.name),
                required=False,
            )
            for factor in protocol.factors
        ),
        "</fieldset>",
    ]
    return form(f"{HOME}/trials/{protocol.code}", "".join(inner), say("keep"), say=say)
