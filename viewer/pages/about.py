"""What the evidence is: the release, its sources, how privacy was judged, what it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from reference_db.release import Manifest, Release
from viewer.answers import Answers
from viewer.components.accessible import aria
from viewer.text import NOT_SHOWN, Language, Text, catalogue

NOT = ("causal", "device", "individual", "stage")
METHOD = ("similar", "begin", "change", "two", "home")
OVERSIGHT = ("records", "audit", "cells", "roles")
FORESIGHT = (
    "concordance_relapse",
    "slope_relapse",
    "concordance_worsening_24w",
    "slope_worsening_24w",
    "coverage_24",
)
"""Figures of a validation that say how well outcomes are foreseen, as `validation` names them."""


def layout(answers: Answers, text: Text) -> Component:
    """Return the page; everything on it is read from the release that answers."""
    release = answers.projector.release
    if not isinstance(release, Release):
        return html.Div(html.P(text("about.none"), className="panel"), className="about")
    manifest, known = release.manifest, answers.evidence()
    counts = {str(name): int(n) for name, n in release.episodes.table["source"].value_counts().items()}
    left = [
        _section(
            "what",
            [
                html.P(text("about.what.words")),
                html.Ul([html.Li(text(f"about.not.{name}")) for name in NOT]),
            ],
            text,
        ),
        _section("sources", [html.P(text("about.sources.words")), _sources(manifest, counts, text)], text),
        *_calibration(manifest, known.get("calibration") or {}, text),
        _section("method", [html.P(text(f"about.method.{part}")) for part in METHOD], text),
        _section("oversight", [html.Ul([html.Li(text(f"about.oversight.{part}")) for part in OVERSIGHT])], text),
    ]
    right = [
        _section(
            "release",
            [
                _pairs(
                    {
                        text("about.release.version"): manifest.version,
                        text("about.release.created"): manifest.created.strftime(text("take_home.date_format")),
                        text("about.release.patients"): text.number(sum(counts.values())),
                        text("about.release.approval"): text(
                            "about.release.let_out" if not manifest.reasons else "about.release.held_back"
                        ),
                    }
                ),
            ],
            text,
        ),
        _section(
            "privacy",
            [
                html.P(text("about.privacy.words")),
                privacy_table(manifest.privacy, text),
                html.P(text("about.attacks.words")),
                _attacks(manifest.privacy, text),
            ],
            text,
        ),
        _section("utility", _validated(manifest.utility, known.get("validation") or {}, text), text),
        _section("foresight", foresight(known.get("validation") or {}, text), text),
    ]
    return html.Div([html.Div(left), html.Div(right)], className="about")


def _section(name: str, content: list[Component], text: Text) -> Component:
    return html.Section(
        [html.H2(text(f"about.{name}.title"), id=f"about-{name}"), *content],
        className="panel",
        **aria(labelledby=f"about-{name}"),
    )


def _pairs(pairs: Mapping[str, str]) -> Component:
    return html.Dl([part for key, value in pairs.items() for part in (html.Dt(key), html.Dd(value))])


def _table(heads: list[str], rows: list[list[str]]) -> Component:
    return html.Div(
        html.Table(
            [
                html.Thead(html.Tr([html.Th(head, scope="col") for head in heads])),
                html.Tbody(
                    [html.Tr([html.Th(row[0], scope="row"), *(html.Td(cell) for cell in row[1:])]) for row in rows]
                ),
            ],
            className="outcomes",
        ),
        className="table-scroll",
        tabIndex=0,
        role="group",
        **aria(label=heads[0]),
    )


def _sources(manifest: Manifest, counts: Mapping[str, int], text: Text) -> Component:
    heads = [text(f"about.sources.{head}") for head in ("name", "kind", "patients")]
    return _table(
        heads,
        [
            [
                _source(source.name, source.label, text),
                text(f"source_kind.{source.kind.value}"),
                text.number(counts.get(source.name, 0)),
            ]
            for source in manifest.sources
        ],
    )


def _source(name: str, label: str, text: Text) -> str:
    """Return the label of a source: in the reader's language if it is one of ours, otherwise as it was given."""
    ours = catalogue(Language.ENGLISH).words.get(f"source.{name}") == label
    return text(f"source.{name}") if ours else label


def privacy_table(privacy: Mapping[str, Any], text: Text) -> Component:
    """Return the metrics of a privacy assessment, as its manifest has them, with their targets and verdicts."""
    heads = [text(f"about.privacy.{head}") for head in ("metric", "value", "target", "verdict")]
    rows = []
    for metric in privacy.get("metrics", ()):
        name, unit = f"privacy_metric.{metric['name']}", _unit(str(metric.get("unit", "")), text)
        label = text(name) if name in text.words else str(metric["label"])
        value, target = metric.get("value"), metric.get("target")
        # A probability that has to exceed one in ten thousand needs the digits to say so.
        digits = 4 if target is not None and target < 0.1 else 1
        rows.append(
            [
                label,
                NOT_SHOWN if value is None else text.number(value, digits) + unit,
                NOT_SHOWN if target is None else f"> {text.number(target, digits)}{unit}",
                text(f"verdict.{metric['verdict']}"),
            ]
        )
    return _table(heads, rows) if rows else html.P(text("about.none"))


def _unit(unit: str, text: Text) -> str:
    if unit == "%":
        return text("figure.percent_suffix")
    return f" {text('about.privacy.records')}" if unit == "records" else ""


def _attacks(privacy: Mapping[str, Any], text: Text) -> Component:
    heads = [text(f"about.attacks.{head}") for head in ("attack", "risk", "limit", "verdict")]
    rows = []
    for attack in privacy.get("attacks", ()):
        name, risk, limit = f"attack.{attack['name']}", attack.get("risk") or {}, attack.get("target")
        shares = [text.percent(risk[bound]) for bound in ("value", "lower", "upper") if bound in risk]
        rows.append(
            [
                text(name) if name in text.words else str(attack["label"]),
                f"{shares[0]} {text.interval(*shares[1:])}" if len(shares) == 3 else NOT_SHOWN,
                NOT_SHOWN if limit is None else text.percent(limit),
                text(f"verdict.{attack['verdict']}"),
            ]
        )
    return _table(heads, rows) if rows else html.P(text("about.none"))


def _calibration(manifest: Manifest, calibration: Mapping[str, Any], text: Text) -> list[Component]:
    """Return what the sources were simulated after, where they say that they were."""
    if not any("simulated" in source.label for source in manifest.sources):
        return []
    words: list[Component] = [html.P(text("about.calibration.words"))]
    if calibration:
        met, published = (text.number(calibration[key]) for key in ("met", "published"))
        words.append(html.P(html.Strong(text("about.calibration.met", met=met, published=published))))
    return [_section("calibration", words, text)]


def _validated(at_release: Mapping[str, Any], since: Mapping[str, Any], text: Text) -> list[Component]:
    """Return what was compared when the release was made, and what a validation found since."""
    parts: list[Component] = []
    for name, summary in (("at_release", at_release), ("since", since)):
        if summary.get("sections"):
            parts += [html.P(text(f"about.utility.{name}")), _verdicts(summary["sections"], text)]
    return parts or [html.P(text("about.utility.none"))]


def foresight(validation: Mapping[str, Any], text: Text) -> list[Component]:
    """Return discrimination, calibration and coverage of the last validation; what it could not tell is left out."""
    figures = validation.get("sections", {}).get("prognosis", {}).get("figures", {})
    rows = []
    for name in FORESIGHT:
        value = figures.get(name, {}).get("value")
        if value is not None:
            shown = text.percent(value) if name.startswith("coverage") else text.number(value, 2)
            rows.append([text(f"about.foresight.{name}"), shown])
    if not rows:
        return [html.P(text("about.foresight.none"))]
    heads = [text(f"about.foresight.{head}") for head in ("measure", "value")]
    return [html.P(text("about.foresight.words")), _table(heads, rows)]


def _verdicts(sections: Mapping[str, Mapping[str, Any]], text: Text) -> Component:
    """Return a row per section of a validation: how many of its figures reach their target, and what missed."""
    heads = [text(f"about.utility.{head}") for head in ("section", "reached", "verdict")]
    rows = []
    for name, section in sections.items():
        verdicts = [str(figure["verdict"]) for figure in section["figures"].values()]
        reached, missed = verdicts.count("passed"), verdicts.count("failed") + verdicts.count("consequence")
        key = f"validation.{name}"
        rows.append(
            [
                text(key) if key in text.words else str(section["title"]),
                text("about.utility.of", reached=reached, judged=reached + missed),
                text(f"verdict.{section['verdict']}"),
            ]
        )
    return _table(heads, rows)
