from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import orjson
import plotly.graph_objects as go
import pytest

from projection.individuals import LesionCurves, SingleCourses
from projection.result import Contrast, Contrasts, Curve, Estimate, Projection
from reference_db.vocabulary import Treatment
from selection import Explanation
from selection.plane import Axis
from viewer.figures.balance import balance_figure
from viewer.figures.bands import stepped
from viewer.figures.contrast import EDSS, Measure, contrast_figure, estimate_of, written
from viewer.figures.course import Spread, course_figure
from viewer.figures.events import events_figure
from viewer.figures.icon_array import icon_array
from viewer.figures.lesions import lesions_figure
from viewer.figures.plane import plane_figure
from viewer.figures.style import DARK, LIGHT, STYLES, Figure, Theme
from viewer.text import Language, Text, catalogue

EN, FR = catalogue(Language.ENGLISH), catalogue(Language.FRENCH)
ALL = tuple(treatment.value for treatment in Treatment)
PAST = [(-12.0, 2.0), (0.0, 2.5)]
Make = Callable[..., Projection]


def validated(figure: Figure) -> go.Figure:
    """Plotly's own validation of a figure after a journey through JSON."""
    return go.Figure(orjson.loads(orjson.dumps(figure)))


def lines(figure: Figure) -> dict[str, dict[str, object]]:
    return {trace["name"]: trace for trace in figure["data"] if "name" in trace}


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_patients_own_relapses_stand_on_their_line(make_projection: Callable[..., Projection]) -> None:
    figure = course_figure(
        make_projection(), shown=ALL, past=[(-12.0, 2.0), (0.0, 3.0)], relapses=[-18.0, -6.0], text=FR, theme=DARK
    )
    validated(figure)
    ticks = lines(figure)["Poussée"]
    assert (ticks["x"], ticks["y"]) == ([-18.0, -6.0], [2.0, 2.5])
    assert figure["layout"]["xaxis"]["range"][0] < -18


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_lines_stand_out_from_the_page_and_words_are_legible(theme: Theme) -> None:
    assert min(contrast(style.colour(theme), theme.page) for style in STYLES.values()) >= 3
    assert min(contrast(theme.ink, theme.page), contrast(theme.soft_ink, theme.page)) >= 4.5


def test_classes_are_told_apart_without_colour() -> None:
    assert set(STYLES) == set(Treatment)
    for one, other in itertools.combinations(STYLES.values(), 2):
        assert one.symbol != other.symbol
        assert one.dash != other.dash


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("spread", Spread)
@pytest.mark.parametrize("until", [24, 60])
@pytest.mark.parametrize(("text", "theme"), [(EN, LIGHT), (FR, DARK)])
def test_course_is_valid_plotly(
    make_projection: Make, text: Text, theme: Theme, until: int, spread: Spread, apart: bool
) -> None:
    figure = course_figure(
        make_projection(),
        shown=ALL,
        past=PAST,
        text=text,
        theme=theme,
        until=until,
        spread=spread,
        apart=apart,
    )
    validated(figure)
    named = lines(figure)
    for treatment in ALL:
        assert named[text(f"treatment.{treatment}")]["x"][-1] <= until


@pytest.mark.parametrize("outcome", ["worsening_24w", "relapse", "new_lesions", "loss_of_neda3"])
@pytest.mark.parametrize("apart", [False, True])
def test_events_are_valid_plotly(make_projection: Make, outcome: str, apart: bool) -> None:
    validated(events_figure(make_projection(), outcome, shown=ALL, text=FR, theme=DARK, apart=apart))


def test_curves_carry_the_projection_unchanged(make_projection: Make) -> None:
    projection = make_projection()
    first = projection.classes[0]
    course = lines(course_figure(projection, shown=ALL, past=PAST, text=EN, theme=LIGHT, until=36))
    events = lines(events_figure(projection, "worsening_24w", shown=ALL, text=EN, theme=LIGHT, until=36))
    free = lines(events_figure(projection, "relapse", shown=ALL, text=EN, theme=LIGHT, until=36))
    np.testing.assert_allclose(course["Beta interferon"]["y"], first.edss.expected.value)
    np.testing.assert_allclose(events["Beta interferon"]["y"], 100 * first.probabilities["worsening_24w"].value)
    np.testing.assert_allclose(free["Beta interferon"]["y"], 100 - 100 * first.probabilities["relapse"].value)
    assert course["This patient"]["y"] == [2.0, 2.5]


def test_every_value_says_interval_and_n(make_projection: Make) -> None:
    trace = lines(course_figure(make_projection(), shown=ALL, past=PAST, text=EN, theme=LIGHT))["Beta interferon"]
    assert trace["customdata"][-1] == ["(2.2 to 2.8)", "176"]


def test_only_what_is_shown_and_answered_is_drawn(make_projection: Make) -> None:
    projection = make_projection(refused=frozenset({Treatment.CLADRIBINE}))
    shown = ("cladribine", "natalizumab")
    for figure in (
        course_figure(projection, shown=shown, past=PAST, text=EN, theme=LIGHT),
        events_figure(projection, "worsening_24w", shown=shown, text=EN, theme=LIGHT),
    ):
        assert set(lines(figure)) - {"This patient"} == {"Natalizumab"}


def test_nothing_to_draw_is_an_empty_figure_not_an_error(make_projection: Make) -> None:
    projection = make_projection(refused=frozenset(Treatment))
    for apart in (False, True):
        validated(course_figure(projection, shown=ALL, past=PAST, text=EN, theme=LIGHT, apart=apart))
        validated(events_figure(projection, "relapse", shown=ALL, text=EN, theme=LIGHT, apart=apart))


def test_steps_hold_their_value_until_the_next_month() -> None:
    assert stepped([], []) == ([], [])
    assert stepped([0, 6], [0, 5]) == ([0, 6, 6], [0, 0, 5])


def contrasts() -> Contrasts:
    risk = Estimate(-0.08, -1.3, 0.02, 400)
    answered = [
        Contrast(
            treatment,
            None,
            200,
            Estimate(-0.3, -0.6, -0.04, 400),
            {"relapse": risk},
            {"relapse": Estimate(1.4, 0.2, 2.6, 400)},
            {"relapse": Estimate(0.62, 0.4, 0.98, 400)},
        )
        for treatment in ALL[:-2]
    ]
    refused = Contrast(ALL[-2], "too few", 0, None, {}, {}, {})
    return Contrasts("test-1", ALL[-1], 200, "corrected", (*answered, refused), ())


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize("outcome", [EDSS, "relapse", "pira"])
def test_contrasts_are_valid_plotly_in_the_fixed_order(measure: Measure, outcome: str) -> None:
    figure = contrast_figure(contrasts(), outcome, measure=measure, shown=ALL, text=FR, theme=DARK)
    validated(figure)
    names = [label.split("<br>")[0] for label in figure["layout"]["yaxis"]["ticktext"]]
    assert names == [FR(f"treatment.{treatment}") for treatment in ALL[:-1]]
    numbers = [
        f"n = {one.n}" in label
        for one, label in zip(contrasts().contrasts, figure["layout"]["yaxis"]["ticktext"], strict=True)
    ]
    assert numbers == [one.refusal is None for one in contrasts().contrasts]
    assert f"n = {contrasts().n}" in figure["layout"]["xaxis"]["title"]["text"]
    assert len(figure["data"]) == (0 if outcome == "pira" else len(ALL) - 2)
    assert figure["layout"]["annotations"][-1]["text"] == FR("compare.none")


def test_a_contrast_is_written_in_the_unit_it_is_read_in() -> None:
    one = contrasts().contrasts[0]
    said = {
        measure: written(estimate, "relapse", measure, EN)
        for measure in Measure
        if (estimate := estimate_of(one, "relapse", measure)) is not None
    }
    assert said == {
        Measure.RISK: "\N{MINUS SIGN}8 (\N{MINUS SIGN}100 to +2)",
        Measure.MONTHS: "+1.4 (+0.2 to +2.6)",
        Measure.RATIO: "0.62 (0.40 to 0.98)",
    }
    assert one.edss is not None
    assert written(one.edss, EDSS, Measure.RATIO, EN) == "\N{MINUS SIGN}0.3 (\N{MINUS SIGN}0.6 to 0.0)"


def test_balance_draws_each_class_against_the_chosen_one() -> None:
    compared = ALL[:3]
    age = np.array([[0.0, 0.2, np.nan], [-0.2, 0.0, 0.4], [np.nan, -0.4, 0.0]])
    explanation = Explanation("test-1", 200, {}, (), compared, {"age": age, "edss": age})
    figure = balance_figure(explanation, reference=compared[1], shown=ALL, text=EN, theme=LIGHT)
    validated(figure)
    assert {trace["name"]: trace["x"] for trace in figure["data"]} == {
        "Beta interferon": [0.2, 0.2],
        "Natalizumab": [-0.4, -0.4],
    }
    refused = balance_figure(explanation, reference="cladribine", shown=ALL, text=EN, theme=LIGHT)
    assert refused["data"] == []


@pytest.mark.parametrize("likely", [None, (10, 40)])
def test_icon_arrays_show_a_hundred_people(likely: tuple[int, int] | None) -> None:
    picture = unquote(icon_array(23, LIGHT, colour="#123456", likely=likely))
    assert picture.count("<path") == 100
    solid = picture.count('fill="#123456"/>')
    assert solid == (23 if likely is None else 10)
    assert picture.count("#123456") == (23 if likely is None else 40 + 17)


def courses(treatment: str = "natalizumab") -> SingleCourses:
    edss = np.array([[2.5, 3.0, np.nan], [2.5, 2.5, 4.0]])
    return SingleCourses(treatment, np.array([0.0, 12, 30]), edss, np.array([6.0]), np.array([1]))


@pytest.mark.parametrize("apart", [False, True])
def test_single_patients_are_lines_with_gaps_and_a_mark_at_each_relapse(make_projection: Make, apart: bool) -> None:
    projection = make_projection()
    figure = course_figure(
        projection,
        shown=("natalizumab",),
        past=PAST,
        text=EN,
        theme=LIGHT,
        spread=Spread.SINGLE,
        singles=[courses(), courses("cladribine")],
        apart=apart,
    )
    validated(figure)
    lines_, relapses = figure["data"][:2]
    assert lines_["x"] == [0, 12, None, 0, 12, None]
    assert (lines_["y"][0], lines_["y"][3]) == (2.5, 2.5)
    assert relapses["x"] == [6.0]
    assert [trace.get("fill") for trace in figure["data"]].count("toself") == 0


def test_the_axis_holds_every_interval_that_is_drawn(make_projection: Make) -> None:
    made = make_projection()
    early = {  # with hardly an event yet, an interval reaches far up
        name: replace(curve, upper=np.linspace(0.9, 0.3, len(curve.months)))
        for name, curve in made.classes[0].probabilities.items()
    }
    projection = replace(made, classes=(replace(made.classes[0], probabilities=early), *made.classes[1:]))
    for outcome in ("worsening_24w", "relapse"):
        for shown in (ALL[:3], ALL):
            figure = events_figure(projection, outcome, shown=shown, text=EN, theme=LIGHT)
            low, high = figure["layout"]["yaxis"]["range"]
            drawn = np.concatenate([trace["y"] for trace in figure["data"]])
            assert low <= drawn.min()
            assert drawn.max() <= high


def test_bands_are_left_out_among_many_and_bars_say_it(make_projection: Make) -> None:
    many = course_figure(make_projection(), shown=ALL, past=PAST, text=EN, theme=LIGHT)
    few = course_figure(make_projection(), shown=ALL[:4], past=PAST, text=EN, theme=LIGHT)
    assert sum("fill" in trace for trace in many["data"]) == 0
    whiskers = [one for one in many["layout"]["shapes"] if one["x0"] == one["x1"] and one["x0"] > 24]
    assert len(whiskers) == len(ALL)
    # One trace has the marks of every curve, and the values of the whiskers.
    assert len(many["data"][-1]["x"]) == len(ALL) * (2 + 1)
    bars = [shape for shape in many["layout"]["shapes"] if shape["x0"] > 24]
    assert [(bar["y0"], bar["y1"]) for bar in bars[:1]] == [(pytest.approx(2.21), pytest.approx(2.79))]
    assert len(bars) == len(ALL)
    assert sum("fill" in trace for trace in few["data"]) == 4


def test_lesions_carry_their_curves(make_projection: Make) -> None:
    curve = Curve(
        *(np.array(row) for row in ([6.0, 12, 24], [1.0, np.nan, 2], [0.5, 0, 1], [2.0, 3, 4], [50.0, 0, 40]))
    )
    figure = lesions_figure(
        {"natalizumab": LesionCurves("natalizumab", curve, curve)},
        "new_t2",
        shown=ALL,
        text=FR,
        theme=DARK,
        own=[(-12.0, 5.0), (0.0, 3.0)],
    )
    validated(figure)
    own, drawn = figure["data"]
    assert (own["x"], own["y"]) == ([-12.0, 0.0], [5.0, 3.0])
    assert figure["layout"]["xaxis"]["range"][0] < -12
    assert drawn["y"] == [1.0, 2.0]
    assert drawn["error_y"]["array"] == [1.0, 2.0]


def test_the_map_leaves_out_squares_with_too_few_and_names_its_ends() -> None:
    axes = (Axis(0.2, (("relapses_12m", ""),), (("phenotype", "SPMS"), ("edss", ""))), Axis(0.1, (), (("age", ""),)))
    count = np.array([[np.nan, 15.0], [10.0, np.nan]])
    figure = plane_figure(
        axes,
        (np.array([0.2, 0.6]), np.array([0.2, 0.6]), count),
        np.array([[0.3, 0.4]]),
        np.array([2.0, 0.1]),
        treatment="placebo or untreated",
        text=EN,
        theme=LIGHT,
    )
    validated(figure)
    assert figure["data"][0]["customdata"] == [[None, 15.0], [10.0, None]]
    assert figure["layout"]["xaxis"]["range"][1] > 2.0
    assert [note["text"] for note in figure["layout"]["annotations"]] == [
        "\N{UPWARDS ARROW} age",
        "\N{LEFTWARDS ARROW} relapses in 12 months",
        "SPMS, EDSS \N{RIGHTWARDS ARROW}",
        "These two axes hold 30% of all that tells patients apart",
    ]
