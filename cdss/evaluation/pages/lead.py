"""What a trialist does on the pages: opens a trial from a checked protocol, moves it on, closes it."""

from __future__ import annotations

from html import escape

from cdss.evaluation.conduct import CLOSED, TrialState
from cdss.evaluation.pages.follow_up import HOME
from cdss.evaluation.pages.frame import Words, form, named, rows
from cdss.evaluation.protocol import Protocol, Randomisation


def opening_form(say: Words, written: str) -> str:
    """Return the form that takes a protocol."""
    inner = (
        f'<p class="small">{say("open_help")} <a href="{HOME}/example.yaml">{say("example")}</a></p>'
        f'<label class="line">{say("protocol_yaml")}<textarea name="protocol" required spellcheck="false">'
        # A browser drops the first line end of a text area.
        f"\n{escape(written)}</textarea></label>"
    )
    opened = " open" if written else ""
    checking = form(f"{HOME}/protocol", inner, say("check"), say=say)
    return f"<details{opened}><summary>{say('open_trial')}</summary>{checking}</details>"


def checked_page(say: Words, protocol: Protocol, written: str) -> str:
    """Return what was understood of a protocol, and the form that opens its trial."""
    colon = say.texts["colon"]
    instruments = "; ".join(
        f"{i.code}, {named(say, i.respondent)}, {', '.join(named(say, moment) for moment in i.moments)} "
        f"({say.texts['authorised'] if i.wording else say.texts['paraphrased']})"
        for i in protocol.instruments
    )
    pairs = [
        ("Code", protocol.code),
        (say("version"), protocol.version),
        (say("design"), _design(say, protocol)),
        (say("neurologists"), ", ".join(cluster.code for cluster in protocol.clusters)),
        (say("consultations"), protocol.sample_size),
        (say("instruments"), instruments),
        (say("endpoints"), "; ".join(f"{e.name} ({named(say, e.role)})" for e in protocol.endpoints)),
        (say("outcomes"), ", ".join(map(str, protocol.follow_up_months))),
        (say("digest"), protocol.digest),
    ]
    hidden = f'<input type="hidden" name="protocol" value="{escape(written)}">'
    seed = f'<label class="line">{say("rehearsal_seed")}{colon} <input name="seed" inputmode="numeric"></label>'
    return (
        f"<h2>{say('checked')}</h2><p><strong>{escape(protocol.title)}</strong></p>{rows(pairs)}"
        f"<p>{say('fixed')}</p>"
        + form(f"{HOME}/trials", hidden + seed, say("open_it"), say=say)
        + opening_form(say, written)
        + f'<p><a href="{HOME}?lang={say.language}">{say("trials")}</a></p>'
    )


def _design(say: Words, protocol: Protocol) -> str:
    design = protocol.allocation
    periods = f", {design.periods}" if design.randomisation is Randomisation.STEPPED_WEDGE else ""
    return named(say, design.randomisation.value) + periods


def state_section(say: Words, protocol: Protocol, trial: TrialState, *, leads: bool, departures: int | None) -> str:
    """Return the state of a trial, and what its trialist can do with it."""
    pairs: list[tuple[str, object]] = [
        (say("state"), named(say, trial.status)),
        (say("opened_on"), trial.opened_at.date().isoformat()),
        (say("digest"), trial.digest),
        (say("commitment"), trial.commitment),
    ]
    if protocol.allocation.periods > 1:
        pairs.append((say("period"), f"{trial.period + 1} / {protocol.allocation.periods}"))
    if trial.closed_at is not None:
        pairs.append((say("closed_on"), trial.closed_at.date().isoformat()))
        pairs += [(say("seed"), trial.seed), (say("salt"), trial.salt)]
    section = f"<h2>{say('state')}</h2>{rows(pairs)}"
    url = f"{HOME}/trials/{escape(protocol.code)}"
    if trial.status == CLOSED:
        return section + _after(say, protocol.code, leads=leads, departures=departures or 0)
    if not leads:
        return section
    if trial.period + 1 < protocol.allocation.periods:
        section += form(f"{url}/period", "", say("next_period"), say=say)
    inner = (
        f'<p class="small">{say("close_help")}</p><label class="line">{say("type_code")} '
        f'<input name="code" required autocomplete="off"></label>'
    )
    closing = form(f"{url}/closure", inner, say("close_it"), say=say)
    return f"{section}<details><summary>{say('close_trial')}</summary>{closing}</details>"


def _after(say: Words, code: str, *, leads: bool, departures: int) -> str:
    """Return what follows the closure: whether it was allocated as committed, report, list, export."""
    verdict = say("not_as_committed", number=departures) if departures else say("as_committed")
    kind = "problem" if departures else "done"
    told = f'<p class="{kind}">{verdict}</p>'
    if not leads:
        return told
    api = f"/api/v1/evaluation/trials/{escape(code)}"
    links = (
        (f"{api}/report?language={say.language}", "report_link"),
        (f"{api}/allocation-list", "list_link"),
        (f"/exports?lang={say.language}", "exports_link"),
    )
    return told + "<ul>" + "".join(f'<li><a href="{url}">{say(key)}</a></li>' for url, key in links) + "</ul>"
