"""Results: who the patients of reference are, and what the user may change about who counts as similar.

The weights are shown as what they were learned to be, times what the user makes of them: 0 ignores a feature, 1
leaves it as learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component

from projection.result import Projection
from reference_db.vocabulary import SourceKind
from selection.criteria import LARGEST_DISTANCE
from viewer.answers import Answers
from viewer.components.accessible import aria
from viewer.components.plain_table import Table, cell, register_table, row, table, table_slot
from viewer.components.who_table import who_table
from viewer.figures.balance import balance_figure
from viewer.figures.style import EMPTY, GRAPH_CONFIG, THEMES
from viewer.pages.compare import reference_choice
from viewer.session import Session, Similarity
from viewer.text import NOT_SHOWN, Language, Text, catalogue

MOST = 4.0
"""Largest factor on a learned weight."""

CALIPERS = {"age": (0, 30, 1), "edss": (0, 5, 0.5)}
"""Calipers offered: smallest, largest and step, in the unit of the feature; the largest stands for none."""

SIZES = ("50", "100", "200", "500")
SAME = ("sex", "prior_treatment")
COLUMNS = ("treatment", "eligible", "used", "trial", "sources")


def layout(session: Session, answers: Answers, chosen: str, text: Text) -> list[Component]:
    """Return the choices at the left, who was found at the right."""
    learned = answers.projector.selector.default_weights
    asked = session.similarity
    return [
        html.Div(
            [
                html.Section(
                    [
                        html.Div(
                            [
                                html.H3(text("similarity.title")),
                                html.Button(
                                    text("similarity.reset"), id="similarity-reset", className="forget", n_clicks=0
                                ),
                            ],
                            className="panel-head",
                        ),
                        _sizes(asked, text),
                        _criteria(asked, text),
                        *[_caliper(name, asked, text) for name in CALIPERS],
                        html.H3(text("similarity.weights")),
                        html.P(text("similarity.weights_hint"), className="hint"),
                        *[_weight(name, weight, learned, asked, text) for name, weight in learned.items()],
                    ],
                    className="card card-wide similarity",
                ),
                html.Div(
                    [
                        html.Div(
                            [
                                html.H3(text("similarity.provenance")),
                                html.P(
                                    text("similarity.provenance_hint", distance=text.number(LARGEST_DISTANCE, 1)),
                                    className="hint",
                                ),
                                *table_slot("who", text("similarity.provenance")),
                            ],
                            className="card card-wide",
                        ),
                        html.Div(
                            [
                                reference_choice("who-class", text("who.class"), chosen, text),
                                *table_slot("who-features", text("who.class")),
                                html.H3(text("who.balance")),
                                html.P(text("who.balance_hint"), className="hint"),
                                html.Div(
                                    dcc.Graph(
                                        id="figure-balance",
                                        figure=EMPTY,
                                        config=GRAPH_CONFIG,
                                        style={"height": "330px"},
                                    ),
                                    role="img",
                                    **aria(label=text("who.balance_alt")),
                                ),
                            ],
                            className="card card-wide",
                        ),
                    ],
                    className="who",
                ),
            ],
            className="who-grid",
        )
    ]


def weight_id(name: str) -> dict[str, str]:
    """Return the id of the slider of a feature's weight."""
    return {"weight": name}


def _sizes(asked: Similarity, text: Text) -> Component:
    return html.Fieldset(
        [
            html.Legend(text("similarity.k")),
            dmc.SegmentedControl(
                id="similarity-k", data=list(SIZES), value=str(asked.k or 200), fullWidth=True, size="xs"
            ),
        ],
        className="field",
    )


def _criteria(asked: Similarity, text: Text) -> Component:
    kinds = asked.criteria.get("source_kinds", [kind.value for kind in SourceKind])
    return html.Div(
        [
            html.Fieldset(
                [
                    html.Legend(text("similarity.sources")),
                    dmc.SegmentedControl(
                        id="similarity-sources",
                        data=[
                            {"value": value, "label": text(f"similarity.{value}")}
                            for value in ("both", *(kind.value for kind in SourceKind))
                        ],
                        value=kinds[0] if len(kinds) == 1 else "both",
                        fullWidth=True,
                        size="xs",
                    ),
                ],
                className="field",
            ),
            html.Fieldset(
                [
                    html.Legend(text("similarity.same")),
                    dmc.CheckboxGroup(
                        html.Div(
                            [
                                dmc.Checkbox(label=text(f"feature.{name}"), value=name, size="xs", radius="xs")
                                for name in SAME
                            ],
                            className="same",
                        ),
                        id="similarity-same",
                        value=[name for name in SAME if name in asked.criteria.get("same", ())],
                    ),
                ],
                className="field",
            ),
        ]
    )


def _caliper(name: str, asked: Similarity, text: Text) -> Component:
    smallest, largest, step = CALIPERS[name]
    value = asked.criteria.get("calipers", {}).get(name, largest)
    return _slider(
        f"similarity-caliper-{name}",
        text(f"similarity.caliper.{name}"),
        text("similarity.caliper.hint", largest=text.number(largest)),
        value,
        (smallest, largest, step),
    )


def _weight(name: str, weight: float, learned: Mapping[str, float], asked: Similarity, text: Text) -> Component:
    share = weight / (sum(learned.values()) or 1.0)
    factor = asked.weights[name] / weight if name in asked.weights and weight else 1.0
    return _slider(
        weight_id(name),
        text.feature(name),
        text.percent(share),
        round(factor, 2),
        (0, MOST, 0.25),
    )


def _slider(
    element: str | dict[str, str], label: str, hint: str, value: float, bounds: tuple[float, float, float]
) -> Component:
    smallest, largest, step = bounds
    return html.Div(
        [
            html.Div([html.Span(label), html.Span(hint, className="hint")], className="slider-head"),
            dmc.Slider(
                id=element,
                min=smallest,
                max=largest,
                step=step,
                value=value,
                updatemode="mouseup",
                size="sm",
                showLabelOnHover=True,
                thumbLabel=label,
            ),
        ],
        className="slider",
    )


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the choices to the session, and the session to who was found."""
    for element in ("who", "who-features"):
        register_table(app, element)

    @app.callback(
        output=Output("session", "data", allow_duplicate=True),
        inputs={
            "k": Input("similarity-k", "value"),
            "sources": Input("similarity-sources", "value"),
            "same": Input("similarity-same", "value"),
            "calipers": {name: Input(f"similarity-caliper-{name}", "value") for name in CALIPERS},
            "factors": Input({"weight": dash.ALL}, "value"),
            "data": State("session", "data"),
        },
        prevent_initial_call=True,
    )
    def choose(
        k: str,
        sources: str,
        same: list[str],
        calipers: dict[str, float],
        factors: list[float],
        data: dict[str, Any] | None,
    ) -> dict[str, Any]:
        learned = answers.projector.selector.default_weights
        changed = {
            name: round(learned[name] * factor, 6)
            for name, factor in zip(learned, factors, strict=True)
            if factor != 1
        }
        criteria = criteria_of(sources=sources, same=same, calipers=calipers)
        session = Session.of_json(data).with_similarity(
            Similarity(weights=changed, k=None if k == "200" else int(k), criteria=criteria)
        )
        if data is not None and session.as_json() == data:
            raise dash.exceptions.PreventUpdate
        return session.as_json()

    @app.callback(
        output=(
            Output("similarity-k", "value"),
            Output("similarity-sources", "value"),
            Output("similarity-same", "value"),
            {name: Output(f"similarity-caliper-{name}", "value") for name in CALIPERS},
            Output({"weight": dash.ALL}, "value"),
        ),
        inputs=[Input("similarity-reset", "n_clicks")],
        prevent_initial_call=True,
    )
    def reset(clicks: int) -> tuple[Any, ...]:
        if not clicks:
            raise dash.exceptions.PreventUpdate
        widest = {name: bounds[1] for name, bounds in CALIPERS.items()}
        return "200", "both", [], widest, [1] * len(answers.projector.selector.default_weights)

    @app.callback(Output("who-view", "data"), Input("who-class", "value"), prevent_initial_call=True)
    def look(chosen: str) -> str:
        return chosen

    @app.callback(
        Output("who-data", "data"),
        Output("who-features-data", "data"),
        Output("figure-balance", "figure"),
        Input("session", "data"),
        Input("theme", "data"),
        Input("who-view", "data"),
        State("language", "data"),
    )
    def show(data: dict[str, Any] | None, theme_name: str | None, chosen: str, language: str) -> tuple[Any, ...]:
        if data is None or theme_name is None:
            raise dash.exceptions.PreventUpdate
        session, text = Session.of_json(data), catalogue(Language(language))
        projection, explanation = answers.of(session).projection, answers.explanation(session)
        if projection is None or explanation is None:
            raise dash.exceptions.PreventUpdate
        kinds = {name: source.kind for name, source in answers.projector.release.episodes.sources.items()}
        about = next(one for one in explanation.classes if one.treatment == chosen)
        return (
            provenance(projection, session, kinds, text),
            who_table(about, text),
            balance_figure(explanation, reference=chosen, shown=session.shown, text=text, theme=THEMES[theme_name]),
        )


def criteria_of(*, sources: str, same: list[str], calipers: Mapping[str, float]) -> dict[str, Any]:
    """Return criteria as `selection.parse_criteria` reads them; what is left open is left out."""
    criteria: dict[str, Any] = {}
    if same:
        criteria["same"] = ["phenotype", *same]
    if sources != "both":
        criteria["source_kinds"] = [sources]
    bounded = {name: value for name, value in calipers.items() if value < CALIPERS[name][1]}
    if bounded:
        criteria["calipers"] = bounded
    return criteria


def provenance(projection: Projection, session: Session, kinds: Mapping[str, SourceKind], text: Text) -> Table:
    """Return where the patients of reference of each class come from."""
    rows = []
    for one in projection.classes:
        if one.treatment not in session.shown:
            continue
        trial = sum(n for source, n in one.sources.items() if kinds.get(source) is SourceKind.TRIAL)
        listed = ", ".join(
            f"{text('similarity.other') if source == 'other' else source} {text.number(n)}"
            for source, n in one.sources.items()
        )
        cells = [
            cell(text.number(one.n_eligible) if one.n_eligible else NOT_SHOWN, kind="plain"),
            cell(text.number(one.n) if one.refusal is None else text("legend.refused"), kind="plain"),
            cell(text.percent(trial / one.n) if one.n and one.sources else NOT_SHOWN, kind="plain"),
            cell(listed or NOT_SHOWN, kind="words"),
        ]
        rows.append(row(text(f"treatment.{one.treatment}"), cells, treatment=one.treatment))
    return table([text(f"similarity.column.{name}") for name in COLUMNS], rows)
