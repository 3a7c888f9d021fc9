"""Results: who the patients of reference are, and what the user may change about who counts as similar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, State, dcc, html
from dash.development.base_component import Component

from projection.result import Projection
from reference_db.vocabulary import SourceKind, Treatment
from selection.criteria import BASELINES, LARGEST_DISTANCE
from viewer.answers import Answers
from viewer.components.accessible import aria
from viewer.components.gathered import gather
from viewer.components.plain_table import Table, cell, register_table, row, table, table_slot
from viewer.components.similarity_controls import CALIPERS, criteria_of, similarity_controls
from viewer.components.who_table import who_table
from viewer.figures.balance import balance_figure
from viewer.figures.plane import plane_figure
from viewer.figures.style import EMPTY, GRAPH_CONFIG, THEMES, Figure, Theme
from viewer.pages.compare import reference_choice
from viewer.session import Session, Similarity
from viewer.text import NOT_SHOWN, Language, Text, catalogue

COLUMNS = ("treatment", "eligible", "used", "trial", "sources")


def layout(session: Session, answers: Answers, chosen: str, text: Text) -> list[Component]:
    """Return the choices at the left, who was found at the right."""
    learned = answers.projector.selector.default_weights
    found = html.Div(
        [
            html.H3(text("similarity.provenance")),
            html.P(text("similarity.provenance_hint", distance=text.number(LARGEST_DISTANCE, 1)), className="hint"),
            *table_slot("who", text("similarity.provenance")),
        ],
        className="card card-wide",
    )
    of_class = html.Div(
        [
            reference_choice("who-class", text("who.class"), chosen, text),
            *table_slot("who-features", text("who.class")),
            html.Div(
                [
                    _figure("figure-balance", text("who.balance"), text("who.balance_hint"), text("who.balance_alt")),
                    _figure("figure-plane", text("plane.title"), text("plane.hint"), text("plane.alt")),
                ],
                className="figures",
            ),
        ],
        className="card card-wide",
    )
    controls = similarity_controls(session.similarity, learned, text)
    return [html.Div([controls, html.Div([found, of_class], className="who")], className="who-grid")]


def _figure(element: str, title: str, hint: str, alternative: str) -> Component:
    graph = dcc.Graph(id=element, figure=EMPTY, config=GRAPH_CONFIG, style={"height": "380px"})
    return html.Div(
        [
            html.H3(title),
            html.P(hint, className="hint two-lines"),
            html.Div(graph, role="img", style={"height": "380px"}, **aria(label=alternative)),
        ]
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
            "baselines": Input("similarity-baselines", "value"),
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
        baselines: str,
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
        criteria = criteria_of(sources=sources, same=same, baselines=baselines, calipers=calipers)
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
            Output("similarity-baselines", "value"),
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
        return "200", "both", [], BASELINES[0], widest, [1] * len(answers.projector.selector.default_weights)

    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "awaitVisits"),
        Output("document", "data", allow_duplicate=True),
        Input("similarity-baselines", "value"),
        prevent_initial_call=True,
    )
    gather(app, "who-view", {"who-class": "value"})

    @app.callback(
        Output("who-data", "data"),
        Output("who-features-data", "data"),
        Output("figure-balance", "figure"),
        Output("figure-plane", "figure"),
        Input("session", "data"),
        Input("theme", "data"),
        Input("who-view", "data"),
        State("language", "data"),
    )
    def show(data: dict[str, Any] | None, theme_name: str | None, chosen: str, language: str) -> tuple[Any, ...]:
        if data is None or theme_name is None:
            raise dash.exceptions.PreventUpdate
        session, text = Session.of_json(data), catalogue(Language(language))
        theme = THEMES[theme_name]
        answer, explanation = answers.of(session), answers.explanation(session)
        if answer.projection is None or answer.patient is None or explanation is None:
            raise dash.exceptions.PreventUpdate
        kinds = {name: source.kind for name, source in answers.projector.release.episodes.sources.items()}
        about = next(one for one in explanation.classes if one.treatment == chosen)
        return (
            provenance(answer.projection, session, kinds, text),
            who_table(about, text),
            balance_figure(explanation, reference=chosen, shown=session.shown, text=text, theme=theme),
            _map(answers, session, chosen, text, theme),
        )


def _map(answers: Answers, session: Session, chosen: str, text: Text, theme: Theme) -> Figure:
    selected = answers.selection(session)
    if selected is None:
        raise dash.exceptions.PreventUpdate
    plane, episodes, keys = answers.map(session)
    used = next(one for one in selected.classes if one.treatment == chosen)
    rows = used.rows if used.refusal is None else used.rows[:0]
    return plane_figure(
        plane.axes,
        plane.density(episodes.rows_by_treatment[Treatment(chosen)], keys),
        plane.scatter(rows, keys),
        plane.place([selected.poi])[0],
        treatment=chosen,
        text=text,
        theme=theme,
    )


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
