"""What CDS Hooks 2.0 says of discovery and cards, as JSON Schema."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

_TEXT = {"type": "string", "minLength": 1}
_URL = {"type": "string", "pattern": r"^https?://[^\s/]+"}
_UUID = {"type": "string", "format": "uuid"}


def _object(required: tuple[str, ...], properties: dict[str, Any], **more: object) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**properties, "extension": {"type": "object"}},
        "additionalProperties": False,
        **more,
    }


def _coding(*required: str) -> dict[str, Any]:
    return _object(("code", "system", *required), {"code": _TEXT, "system": _URL, "display": _TEXT})


ACTION = _object(
    ("type", "description"),
    {
        "type": {"enum": ["create", "update", "delete"]},
        "description": _TEXT,
        "resource": {"type": "object", "required": ["resourceType"]},
        "resourceId": _TEXT,
    },
    allOf=[
        {
            "if": {"properties": {"type": {"const": "delete"}}},
            "then": {"required": ["resourceId"], "properties": {"resource": False}},
            "else": {"required": ["resource"]},
        }
    ],
)

SUGGESTION = _object(
    ("label",),
    {
        "label": _TEXT,
        "uuid": _UUID,
        "isRecommended": {"type": "boolean"},
        "actions": {"type": "array", "items": ACTION},
    },
)

LINK = _object(
    ("label", "url", "type"),
    {"label": _TEXT, "url": _URL, "type": {"enum": ["absolute", "smart"]}, "appContext": _TEXT},
    **{"if": {"properties": {"type": {"const": "absolute"}}}, "then": {"properties": {"appContext": False}}},
)

CARD = _object(
    ("summary", "indicator", "source"),
    {
        "uuid": _UUID,
        "summary": {"type": "string", "minLength": 1, "maxLength": 139},
        "detail": _TEXT,
        "indicator": {"enum": ["info", "warning", "critical"]},
        "source": _object(("label",), {"label": _TEXT, "url": _URL, "icon": _URL, "topic": _coding()}),
        "suggestions": {"type": "array", "minItems": 1, "items": SUGGESTION},
        "selectionBehavior": {"enum": ["at-most-one", "any"]},
        "overrideReasons": {"type": "array", "minItems": 1, "items": _coding("display")},
        "links": {"type": "array", "minItems": 1, "items": LINK},
    },
    dependentRequired={"suggestions": ["selectionBehavior"]},
)

RESPONSE = _object(
    ("cards",), {"cards": {"type": "array", "items": CARD}, "systemActions": {"type": "array", "items": ACTION}}
)

DISCOVERY = _object(
    ("services",),
    {
        "services": {
            "type": "array",
            "items": _object(
                ("hook", "description", "id"),
                {
                    "hook": _TEXT,
                    "title": _TEXT,
                    "description": _TEXT,
                    "id": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"},
                    "prefetch": {"type": "object", "minProperties": 1, "additionalProperties": _TEXT},
                    "usageRequirements": _TEXT,
                },
            ),
        }
    },
)


def check(document: object, schema: dict[str, Any]) -> None:
    """Raise where a document breaks a schema."""
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(document)


def breaks(document: object, schema: dict[str, Any]) -> bool:
    return not Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(document)


def holds_nothing_empty(value: object, *, allowed: tuple[str, ...] = ("cards",), name: str = "") -> bool:
    """Tell whether no element is null or empty, but those that may be."""
    if isinstance(value, dict):
        return bool(value) and all(holds_nothing_empty(v, allowed=allowed, name=k) for k, v in value.items())
    if isinstance(value, list):
        return (bool(value) or name in allowed) and all(holds_nothing_empty(v, allowed=allowed) for v in value)
    return value is not None and value != ""
