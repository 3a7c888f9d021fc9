"""The call of a hook, validated once; what is wrong is named by its path, never by its value."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from cdss.ehr.elements import Json, first, objects, text
from cdss.ehr.fhir_server import bundled
from cdss.ehr.medications import library_of
from reference_db.errors import FieldProblem, InvalidInput

HOOKS = ("patient-view", "order-select", "order-sign")
ORDER_HOOKS = ("order-select", "order-sign")

_ID = re.compile(r"(?!\.+$)[A-Za-z0-9_.\-]{1,64}")
"""An id of FHIR, with the underscore that some servers use; never a step up in a path."""


@dataclass(frozen=True)
class HookRequest:
    """A valid call.

    Attributes
    ----------
    hook : str
    patient : str
        Id of the patient, without its type.
    prefetch : mapping
    draft_orders : tuple of mapping
        Orders that are being written; of ``order-select`` those just selected. Empty for ``patient-view``.
    library : mapping of str to mapping
        Medication resources among the orders, by reference.
    fhir_server : str
        Base URL; empty when none was given.
    access_token : str
        Empty when none was given.
    """

    hook: str
    patient: str
    prefetch: Mapping[str, object]
    draft_orders: tuple[Json, ...]
    library: Mapping[str, Json]
    fhir_server: str
    access_token: str = field(repr=False)


def parse_hook_request(body: bytes) -> HookRequest:
    """Read the body of a call.

    Raises
    ------
    InvalidInput
        Naming every element that is missing or cannot be used.
    """
    document = json_object(body)
    problems: list[FieldProblem] = []

    def required(name: str, value: object, allowed: str, *, usable: bool) -> str:
        if not usable:
            wrong = "is required" if value is None else "cannot be used"
            problems.append(FieldProblem(name, wrong, allowed))
        return text(value)

    hook = required("hook", document.get("hook"), ", ".join(HOOKS), usable=document.get("hook") in HOOKS)
    instance = document.get("hookInstance")
    required("hookInstance", instance, "a UUID", usable=_is_uuid(instance))
    context = document.get("context")
    if not isinstance(context, dict):
        problems.append(FieldProblem("context", "is required", "an object"))
        context = {}
    user, patient = context.get("userId"), context.get("patientId")
    required("context.userId", user, "Type/id of the user", usable=bool(text(user)))
    required("context.patientId", patient, "the id of a Patient", usable=_is_id(patient))
    prefetch = document.get("prefetch")
    if prefetch is not None and not isinstance(prefetch, dict):
        problems.append(FieldProblem("prefetch", "cannot be used", "an object of prefetch keys"))
    server, token = _server(document, problems)
    orders, library = _orders(hook, context, problems)
    if problems:
        raise InvalidInput(problems)
    return HookRequest(
        hook=hook,
        patient=text(patient).removeprefix("Patient/"),
        prefetch=prefetch or {},
        draft_orders=orders,
        library=library,
        fhir_server=server,
        access_token=token,
    )


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises
    ------
    InvalidInput
        If it is none.
    """
    try:
        # Some systems begin with a byte order mark; RFC 8259 lets a reader pass over it.
        document = orjson.loads(body.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise InvalidInput.of("body", "is not JSON", "a JSON object") from error
    if not isinstance(document, dict):
        raise InvalidInput.of("body", "is not an object", "a JSON object")
    return document


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


def _is_id(value: object) -> bool:
    plain = text(value).removeprefix("Patient/")
    return _ID.fullmatch(plain) is not None


def _server(document: Json, problems: list[FieldProblem]) -> tuple[str, str]:
    server, authorization = document.get("fhirServer"), document.get("fhirAuthorization")
    if server is not None and urlsplit(text(server)).scheme not in ("http", "https"):
        problems.append(FieldProblem("fhirServer", "cannot be used", "an absolute URL"))
    if authorization is None:
        return text(server), ""
    token = text(authorization.get("access_token")) if isinstance(authorization, dict) else ""
    if not token:
        problems.append(FieldProblem("fhirAuthorization.access_token", "is required", "a token"))
    elif text(authorization.get("token_type")) != "Bearer":
        problems.append(FieldProblem("fhirAuthorization.token_type", "cannot be used", "Bearer"))
    elif not text(server):
        problems.append(FieldProblem("fhirServer", "is required with fhirAuthorization", "an absolute URL"))
    return text(server), token


def _orders(hook: str, context: Json, problems: list[FieldProblem]) -> tuple[tuple[Json, ...], dict[str, Json]]:
    if hook not in ORDER_HOOKS:
        return (), {}
    drafts = context.get("draftOrders")
    if not isinstance(drafts, dict) or drafts.get("resourceType") != "Bundle":
        problems.append(FieldProblem("context.draftOrders", "is required", "a Bundle"))
        return (), {}
    resources = bundled(drafts)
    library = library_of(resources)
    for entry in objects(drafts.get("entry")):
        resource = first(entry.get("resource"))
        if resource.get("resourceType") == "Medication" and text(entry.get("fullUrl")):
            library[text(entry.get("fullUrl"))] = resource
    orders = [one for one in resources if one.get("resourceType") == "MedicationRequest"]
    if hook == "order-select":
        selections = context.get("selections")
        if not isinstance(selections, list) or not selections:
            problems.append(FieldProblem("context.selections", "is required", "the references selected"))
            return (), {}
        chosen = {"/".join(text(selection).split("/")[-2:]) for selection in selections}
        orders = [one for one in orders if _names_of(one) & chosen]
    return tuple(orders), library


def _names_of(order: Json) -> set[str]:
    """Return how a selection may name a draft order: with its type, by a URN, or by its bare id."""
    identifier = text(order.get("id"))
    return {identifier, f"MedicationRequest/{identifier}", f"urn:uuid:{identifier}"}
