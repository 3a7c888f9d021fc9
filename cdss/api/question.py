"""What is asked about a patient of interest: the body, and how similarity is weighed and bounded, read once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import orjson
from fastapi import Query, Request, Response
from fastapi.routing import APIRoute

from cdss.api.answers import answer_schema
from cdss.api.dependencies import reference
from cdss.api.examples import PATIENTS, example_of
from reference_db.errors import FieldProblem, InvalidInput
from reference_db.vocabulary import SourceKind, Treatment
from selection import Criteria, PatientOfInterest, parse_criteria, parse_patient

_PATIENT_SCHEMA = PatientOfInterest.model_json_schema(ref_template="#/components/schemas/{model}")
DEFINITIONS: dict[str, Any] = _PATIENT_SCHEMA.pop("$defs", {})
"""Schemas of everything that is parsed or serialised by hand, by name; `described` adds to them."""

PATIENT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _PATIENT_SCHEMA, "examples": PATIENTS}},
    }
}
"""For the OpenAPI document of every route that takes a patient of interest."""


def described(answer_type: type, description: str) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of the answers of a route that takes a patient of interest.

    Parameters
    ----------
    answer_type : type
        Dataclass of the answer.
    description : str
        What the answer is.
    """
    schema, definitions = answer_schema(answer_type)
    DEFINITIONS.update(definitions)
    return {
        200: {
            "description": description,
            "content": {"application/json": {"schema": schema, "example": example_of(answer_type)}},
        },
        422: {"description": "Every field that cannot be used, with its allowed range (RFC 9457)."},
        503: {"description": "No release can be served (RFC 9457)."},
    }


async def patient_of_interest(request: Request) -> PatientOfInterest:
    """Read the patient of interest from the body.

    Raises
    ------
    InvalidInput
        Naming every field that cannot be used and its allowed range.
    """
    try:
        given = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise InvalidInput.of("body", "not JSON", "a JSON object with at least age, phenotype and edss") from error
    return parse_patient(given)


class Options(TypedDict):
    """Arguments that every verb of the projector takes."""

    k: int | None
    weights: Mapping[str, float] | None
    classes: Sequence[Treatment] | None
    criteria: Criteria


@dataclass(frozen=True, slots=True)
class Similarity:
    """How the patients of reference are chosen; None stands for the default."""

    k: int | None
    weights: Mapping[str, float] | None
    classes: Sequence[Treatment] | None
    criteria: Criteria

    def options(self) -> Options:
        """Return it as the arguments of the projector's verbs."""
        return {"k": self.k, "weights": self.weights, "classes": self.classes, "criteria": self.criteria}


async def similarity(
    k: Annotated[
        int | None, Query(description="Patients of reference per class, 30 to 5000; 200 by default.")
    ] = None,
    classes: Annotated[list[Treatment] | None, Query(description="Treatment classes; all by default.")] = None,
    weight: Annotated[
        list[str] | None,
        Query(
            description="Weight of a feature, as `feature:number`, 0 to 1000; 0 ignores it. Repeatable.",
            examples=[["age:2", "sex:0"]],
        ),
    ] = None,
    same: Annotated[
        list[str] | None,
        Query(description="Features to share exactly: phenotype (the default), sex, prior_treatment. Repeatable."),
    ] = None,
    source_kinds: Annotated[list[SourceKind] | None, Query(description="Only from these kinds of source.")] = None,
    caliper: Annotated[
        list[str] | None,
        Query(description="Largest difference in a feature, as `feature:number`. Repeatable.", examples=[["age:5"]]),
    ] = None,
    largest_distance: Annotated[
        float | None, Query(description="Largest distance, in standard deviations per feature; above 0.")
    ] = None,
    baselines: Annotated[
        Literal["start", "every_visit"] | None,
        Query(
            description="When patients of reference are compared: as they begin the treatment (`start`, the default) "
            "or at any yearly visit on it after which two more years on it are known (`every_visit`). A patient "
            "counts once per class either way. The first such question of a process takes some seconds."
        ),
    ] = None,
) -> Similarity:
    """Read how similarity is weighed and bounded from the query string.

    Raises
    ------
    InvalidInput
        Naming each parameter that cannot be used and what it may hold.
    """
    criteria = {
        "same": same,
        "source_kinds": source_kinds,
        "calipers": _numbers("caliper", caliper),
        "largest_distance": largest_distance,
        "baselines": baselines,
    }
    return Similarity(
        k=k,
        weights=_numbers("weight", weight),
        classes=classes,
        criteria=parse_criteria({name: value for name, value in criteria.items() if value is not None}),
    )


_NOTHING_ASKED = Similarity(k=None, weights=None, classes=None, criteria=Criteria())


class PatientRoute(APIRoute):
    """A route whose endpoint takes `patient`, `asked` and `reference`, and has a default for everything else.

    Most questions have nothing in the query string. Then its dozen parameters are not looked up and validated one by
    one, which takes as long as all else that the framework does.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        with_parameters = super().get_route_handler()
        endpoint: Callable[..., Coroutine[Any, Any, Response]] = self.endpoint

        async def answering(request: Request) -> Response:
            if request.scope["query_string"]:
                return await with_parameters(request)
            patient = await patient_of_interest(request)
            return await endpoint(patient=patient, asked=_NOTHING_ASKED, reference=await reference(request))

        return answering


def _numbers(parameter: str, items: list[str] | None) -> dict[str, float] | None:
    if not items:
        return None
    numbers: dict[str, float] = {}
    problems = []
    for item in items:
        feature, _, number = item.rpartition(":")
        try:
            numbers[feature] = float(number)
        except ValueError:
            problems.append(FieldProblem(parameter, f"{item!r} cannot be read", "feature:number, such as age:2"))
    if problems:
        raise InvalidInput(problems)
    return numbers
