"""The Dash application: one screen whose page follows the address, in the language and theme of this browser."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html, no_update
from dash.backends import _fastapi
from dash.development.base_component import Component
from starlette.requests import Request
from starlette.responses import Response

from viewer.added_page import AddedPage
from viewer.answers import Answers, Evidence, ReadBundle
from viewer.components import study_strip
from viewer.components.frame import PAGES, frame
from viewer.components.study_strip import PARTICIPANT
from viewer.links import OpenPatient, Seal, linked_session
from viewer.pages import about, consultation, patient, take_home
from viewer.session import BLANK, Session
from viewer.text import Language, Text, catalogue

if TYPE_CHECKING:
    from projection.disclosure import DisclosedProjector


INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
  <body>
    <noscript>This page needs JavaScript. Cette page a besoin de JavaScript.</noscript>
    {%app_entry%}
    <div>{%config%}{%scripts%}{%renderer%}</div>
  </body>
</html>"""
"""The page that everything is drawn into."""

DARK_SHADES = [
    "#e8ebef",
    "#c4ccd6",
    "#94a0ae",
    "#6d7886",
    "#465160",
    "#3a4450",
    "#262d37",
    "#1d232b",
    "#181d24",
    "#11151a",
]
"""The greys of the component library in the dark, brought to those of the style sheet: text first, ground last."""


def create_viewer(
    projector: DisclosedProjector,
    *,
    prefix: str = "/viewer/",
    read_bundle: ReadBundle | None = None,
    pages: Sequence[AddedPage] = (),
    open_patient: OpenPatient | None = None,
    seal: Seal | None = None,
    events: str | None = None,
    evidence: Evidence = dict,
) -> dash.Dash:
    """Return the viewer as a Dash application on FastAPI.

    Parameters
    ----------
    projector : DisclosedProjector
        Answers every patient of interest with what may leave the reference database.
    prefix : str
        Path under which the application is served, beginning and ending with a slash. Its ``server`` is an ASGI
        application that expects the whole path, prefix included, and answers 404 to any path it does not know.
    read_bundle : callable, optional
        Given a FHIR bundle as parsed JSON, returns what it says of the patient, spelled like a patient of interest,
        complete or not. Without it only patients of interest in JSON can be pasted or dropped.
    pages : sequence of AddedPage
        Pages beside those the viewer has.
    open_patient : callable, optional
        Opens the token of a link ``{prefix}#patient=TOKEN``: returns the patient, or what is known of one as the
        exchange form of a patient of interest spells it, or None when the token is forged or too old. The token
        leaves the address bar as soon as it is read.
    seal : callable, optional
        Makes the token of a link to the present session, for another device: given a mapping that ``open_patient``
        is to return once and within minutes. Without it no such link is offered.
    events : str, optional
        Where a consultation opened with ``?participant=PSEUDONYM`` reports its events by ``POST``, as
        ``{"events": [{"kind", "seconds", "detail"}, ...]}``: a path on the same host with ``{participant}`` in it.
        Kinds are ``opened``, ``viewed`` (a page or tab), ``reweighted`` (a feature, ``k``, ``source_kind`` or
        ``baselines``), ``considered_after`` and ``decided`` (a treatment class) and ``closed``. Nothing of the
        patient is in them.
    evidence : callable, optional
        Asked whenever "About this evidence" is opened, for what is known of the release beyond its manifest:
        ``validation``, the summary of its last validation in the shape of the manifest's ``utility``, and
        ``calibration``, how many ``published`` figures the simulation of its sources aims at and how many are
        ``met``. What is not known is left out.

    Returns
    -------
    dash.Dash

    Raises
    ------
    ValueError
        If an added page has the path of another page.

    Notes
    -----
    Everything is served by the application itself: no content delivery network, no web font, no outside request.

    Elements that scripts may rely on: the form's ``poi-age``, ``poi-years-since-onset``, ``poi-edss``,
    ``poi-relapses-12m``, ``poi-gd-lesions`` (text inputs), ``poi-sex``, ``poi-phenotype``, ``poi-t2-lesions``,
    ``poi-prior-treatment`` (radio groups), ``figure-edss``, ``figure-worsening``, ``patients-of-reference`` (the
    legend, with n per class as text), ``legend``, ``refusals``, ``outcome-table``, ``research-line``,
    ``release-line``, ``language-choice``, ``theme-toggle``; of a study ``study``, ``study-considered``,
    ``study-decided``, ``study-end``, ``study-state``.
    """
    app = dash.Dash(
        "viewer",
        backend="fastapi",
        requests_pathname_prefix=prefix,
        routes_pathname_prefix=prefix,
        assets_folder=str(Path(__file__).parent / "assets"),
        serve_locally=True,
        suppress_callback_exceptions=True,
        update_title="",
        title="Patients like this one",
    )
    meta = f'<meta name="viewer-events" content="{escape(events)}">' if events else ""
    app.index_string = INDEX.replace("{%metas%}", f"{{%metas%}}{meta}")
    answers = Answers(projector, read_bundle, evidence)
    app.layout = _shell()
    paths = [*PAGES.values(), *(page.path for page in pages)]
    if len(set(paths)) < len(paths):
        raise ValueError(f"two pages have the same path: {', '.join(filter(None, paths))}")
    _serve_pages(app, [f"{prefix}{path}" for path in paths if path])
    _wire_preferences(app)
    _wire_pages(app, answers, prefix, pages, open_patient, sharing=seal is not None)
    consultation.register(app, answers, seal=seal)
    patient.register(app, answers)
    take_home.register(app, answers)
    study_strip.register(app)
    for page in pages:
        page.register(app)
    # Dash names its scripts in a page once somebody asked for the root; a link may lead to another page first.
    cast("Any", app)._setup_server()
    return app


def _shell() -> Component:
    return cast(
        "Component",
        dmc.MantineProvider(
            [
                dcc.Location(id="url", refresh="callback-nav"),
                dcc.Store(id="session"),
                *[dcc.Store(id=name, data=value) for name, value in consultation.FIRST.items()],
                dcc.Store(id="patient-view", data=patient.FIRST_VIEW),
                dcc.Store(id="language"),
                dcc.Store(id="theme"),
                dcc.Store(id="title"),
                dcc.Store(id="document"),
                PARTICIPANT,
                html.Div(id="frame"),
            ],
            id="mantine",
            theme={
                "primaryColor": "blue",
                "fontFamily": "inherit",
                "defaultRadius": 8,
                "colors": {"dark": DARK_SHADES},
            },
        ),
    )


def _serve_pages(app: dash.Dash, addresses: Collection[str]) -> None:
    """Serve the one screen under the address of every page, and nothing under any other address.

    Dash would answer every unknown path with the screen and 200 (it adds a catch-all route when the server starts),
    so its hook is replaced: what no route knows falls through to the server's own 404.
    """
    server: Any = _fastapi
    application: Any = app

    async def screen(request: Request) -> Response:
        token = server.set_current_request(request)
        try:
            return Response(content=application.index(), media_type="text/html")
        finally:
            server.reset_current_request(token)

    for address in addresses:
        app.server.add_route(address, screen, methods=["GET"], include_in_schema=False)
    application.backend._setup_catchall = lambda: None
    # Without this the browser opens a WebSocket that no callback here uses.
    application.backend.websocket_capability = False


def _wire_preferences(app: dash.Dash) -> None:
    application: Any = app

    def wire(function: str, output: Output, *dependencies: Input | State, later: bool = False) -> None:
        application.clientside_callback(
            ClientsideFunction("viewer", function), output, *dependencies, prevent_initial_call=later
        )

    # The participant comes first: the page that follows the language has the strip of the study, or not.
    wire("participant", Output("participant", "data"), Input("url", "search"))
    wire("firstLanguage", Output("language", "data"), Input("participant", "data"), State("language", "data"))
    wire("sessionIsHere", Output("document", "data", allow_duplicate=True), Input("session", "data"), later=True)
    wire(
        "chooseLanguage",
        Output("language", "data", allow_duplicate=True),
        Input("language-choice", "value"),
        State("language", "data"),
        later=True,
    )
    wire("firstTheme", Output("theme", "data"), Input("url", "search"), State("theme", "data"))
    wire(
        "otherTheme",
        Output("theme", "data", allow_duplicate=True),
        Input("theme-toggle", "n_clicks"),
        State("theme", "data"),
        later=True,
    )
    wire("scheme", Output("mantine", "forceColorScheme"), Input("theme", "data"))
    wire("document", Output("document", "data"), Input("title", "data"), State("language", "data"))


def _wire_pages(
    app: dash.Dash,
    answers: Answers,
    prefix: str,
    added: Sequence[AddedPage],
    open_patient: OpenPatient | None,
    *,
    sharing: bool,
) -> None:
    names = {f"{prefix}{path}": name for name, path in PAGES.items()}
    names |= {f"{prefix}{page.path}": page.path for page in added}
    others = {page.path: page for page in added}
    layouts: dict[str, Callable[[Session, Text, str], Component]] = {
        "consultation": lambda session, text, tab: consultation.layout(session, text, tab=tab, sharing=sharing),
        "patient": lambda session, text, _tab: patient.layout(session, text),
        "take-home": lambda _session, text, _tab: take_home.layout(text),
        "about": lambda _session, text, _tab: about.layout(answers, text),
    }

    @app.callback(
        Output("frame", "children"),
        Output("session", "data"),
        Output("title", "data"),
        Input("url", "pathname"),
        Input("language", "data"),
        State("url", "hash"),
        State("session", "data"),
        State("tab", "data"),
        State("participant", "data"),
    )
    def show_page(
        pathname: str,
        language: str | None,
        fragment: str,
        data: dict[str, Any] | None,
        tab: str,
        participant: str | None,
    ) -> tuple[Any, ...]:
        if language is None:
            raise dash.exceptions.PreventUpdate
        text = catalogue(Language(language))
        linked = None if data else linked_session(fragment, open_patient)
        session = Session.of_json(data) if data else linked or Session(form=BLANK)
        name = names.get(pathname if pathname.endswith("/") or pathname in names else f"{pathname}/", "consultation")
        other = others.get(name)
        content = other.layout(text.language) if other else layouts[name](session, text, tab)
        screen = frame(
            name,
            content,
            text=text,
            prefix=prefix,
            release=answers.projector.release.version,
            added={page.path: page.title(text.language) for page in added if page.listed},
            notice=text("link.unreadable") if not data and linked is None else "",
            study=participant is not None,
        )
        kept = no_update if name == "consultation" else session.as_json()
        title = other.title(text.language) if other else text(f"page.{name}")
        return screen, kept, f"{title} · {text('product.name')}"
