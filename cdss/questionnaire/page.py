"""The questionnaire as a page of the viewer: one record after the other, called by mouse or keyboard, then scored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import dash
import dash_mantine_components as dmc
import yaml
from dash import ALL, Input, Output, State, html
from dash.development.base_component import Component

from cdss.questionnaire.sitting import Sitting
from reference_db.schema import EDSS_HISTORY
from validation.questionnaire import COURSE, ORIGINAL, SYNTHETIC, Card, Score, Shown
from viewer import AddedPage
from viewer.text import NOT_SHOWN, Language, Text, catalogue

PATH = "questionnaire"

_CATEGORIES = {
    "sex": "form.sex",
    "t2_lesions": "form.t2_lesions",
    "prior_treatment": "form.prior_treatment",
    "treatment": "treatment",
}
"""Features whose values the viewer has words for, with the key that these begin with."""


_ONE_DECIMAL = ("age", "years_since_onset", "edss", EDSS_HISTORY)


@cache
def words(language: Language) -> Text:
    """Return the words of the viewer together with those of the questionnaire."""
    source = resources.files("cdss.questionnaire").joinpath(f"{language.value}.yaml").read_text(encoding="utf-8")
    own = {f"{PATH}.{key}": str(sentence) for key, sentence in yaml.safe_load(source).items()}
    return Text(language, {**catalogue(language).words, **own})


def questionnaire_page(sitting: Sitting) -> AddedPage:
    """Return the page of a sitting."""
    return AddedPage(
        path=PATH,
        title=lambda language: words(language)(f"{PATH}.tab"),
        layout=lambda language: _layout(sitting, words(language)),
        register=lambda app: _register(app, sitting),
        listed=True,
    )


def _layout(sitting: Sitting, text: Text) -> Component:
    done = sitting.result is not None
    return html.Div(
        [
            html.Section(
                [
                    html.H2(text(f"{PATH}.title")),
                    html.P(text(f"{PATH}.task", n=len(sitting.cards))),
                    html.P(text(f"{PATH}.care"), className="notice"),
                ],
                className="panel",
            ),
            *[_record(card, sitting.calls.get(card.number), text, done=done) for card in sitting.cards],
            html.Section(
                [
                    html.P(_progress(sitting, text), id=f"{PATH}-progress", role="status"),
                    html.Button(
                        text(f"{PATH}.finish"),
                        id=f"{PATH}-finish",
                        className="primary",
                        type="button",
                        n_clicks=0,
                        disabled=done,
                    ),
                    html.P(text(f"{PATH}.once"), className="hint"),
                    html.P(_told(sitting.result, text), id=f"{PATH}-score", role="status"),
                ],
                className="panel",
            ),
        ],
        style={
            "display": "grid",
            # Wide tables scroll within themselves.
            "gridTemplateColumns": "minmax(0, 1fr)",
            "gap": "12px",
            "maxWidth": "60rem",
            "margin": "14px auto",
            "padding": "0 20px",
        },
    )


def _record(card: Card, call: str | None, text: Text, *, done: bool) -> Component:
    heading = text(f"{PATH}.record", number=card.number)
    return html.Section(
        [
            html.H3(heading),
            _table(
                [text(f"{PATH}.{name}") for name in card.baseline],
                [[_value(name, value, text) for name, value in card.baseline.items()]],
                heading,
            ),
            _table(
                [text(f"{PATH}.{name}") for name in ("month", *COURSE)],
                [[_value(name, value, text) for name, value in row.items()] for row in card.course],
                heading,
            ),
            dmc.RadioGroup(
                dmc.Group(
                    [
                        dmc.Radio(label=text(f"{PATH}.{option}"), value=option, disabled=done)
                        for option in (ORIGINAL, SYNTHETIC)
                    ]
                ),
                id={"type": f"{PATH}-call", "number": card.number},
                label=text(f"{PATH}.call", record=heading),
                value=call or "",
            ),
        ],
        className="panel",
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> Component:
    named: dict[str, Any] = {"aria-label": label}
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
        **named,
        style={"margin": "6px 0 10px"},
    )


def _value(name: str, value: Shown, text: Text) -> str:
    if value is None:
        return NOT_SHOWN
    if isinstance(value, str):
        key = f"{_CATEGORIES.get(name)}.{value}"
        return text(key) if key in text.words else value
    return text.number(value, 1 if name in _ONE_DECIMAL else 0)


def _progress(sitting: Sitting, text: Text) -> str:
    return text(f"{PATH}.progress", n=len(sitting.calls), of=len(sitting.cards))


def _told(score: Score | None, text: Text) -> str:
    if score is None:
        return ""
    chance = text(f"{PATH}.rarely") if score.p_value < 0.001 else text.number(score.p_value, 3)
    return text(
        f"{PATH}.score",
        right=score.right,
        called=score.called,
        share=text.percent(score.share),
        lower=text.percent(score.lower),
        upper=text.percent(score.upper),
        chance=chance,
    )


def _register(app: dash.Dash, sitting: Sitting) -> None:
    calls = {"type": f"{PATH}-call", "number": ALL}

    @app.callback(
        Output(f"{PATH}-progress", "children"),
        Input(calls, "value"),
        State(calls, "id"),
        State("language", "data"),
        prevent_initial_call=True,
    )
    def call(values: list[str], ids: list[dict[str, Any]], language: str) -> str:
        numbers = (int(one["number"]) for one in ids)
        sitting.call({number: value or None for number, value in zip(numbers, values, strict=True)})
        return _progress(sitting, words(Language(language)))

    @app.callback(
        Output(f"{PATH}-score", "children"),
        Output(f"{PATH}-finish", "disabled"),
        Input(f"{PATH}-finish", "n_clicks"),
        State("language", "data"),
        prevent_initial_call=True,
    )
    def finish(clicks: int, language: str) -> tuple[str, bool]:
        if not clicks:
            raise dash.exceptions.PreventUpdate
        text = words(Language(language))
        score = sitting.finish()
        return (text(f"{PATH}.nothing"), False) if score is None else (_told(score, text), True)
