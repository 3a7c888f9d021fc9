"""Answers written by orjson straight from arrays, and their JSON schema for OpenAPI from the same dataclasses.

Serialising through a response model costs several times the computing of a projection, so the model describes the
answer and does not build it.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

import numpy as np
import orjson
from fastapi import Response
from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

_SCHEMAS = "#/components/schemas/{model}"


def answer(value: object) -> Response:
    """Serialise a dataclass with its arrays; NaN becomes null."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


class _AnswerSchema(GenerateJsonSchema):
    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), {"type": "null"}]}

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> JsonSchemaValue:
        if issubclass(np.ndarray, schema["cls"]):
            numbers: list[JsonSchemaValue] = [{"type": "number"}, {"type": "null"}]
            rows: JsonSchemaValue = {"type": "array", "items": {"anyOf": numbers}}
            return {"type": "array", "items": {"anyOf": [*numbers, rows]}}
        return super().is_instance_schema(schema)


def answer_schema(answer_type: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON schema of a result dataclass and the definitions that it refers to.

    Parameters
    ----------
    answer_type : type
        A dataclass of numbers, strings, arrays, mappings and further dataclasses.
    """
    if not is_dataclass(answer_type):
        raise TypeError(f"{answer_type} is not a dataclass")
    wrapped = TypeAdapter(tuple[answer_type], config=ConfigDict(arbitrary_types_allowed=True))  # type: ignore[valid-type]  # made at run time
    schema = wrapped.json_schema(schema_generator=_AnswerSchema, ref_template=_SCHEMAS, mode="serialization")
    definitions: dict[str, Any] = schema.pop("$defs")
    for definition in definitions.values():
        # Examples in the document lose their nulls on the way: what may be null may be missing.
        may_be_null = {
            name
            for name, field in definition.get("properties", {}).items()
            if {"type": "null"} in field.get("anyOf", ())
        }
        definition["required"] = [name for name in definition.get("required", ()) if name not in may_be_null]
    return schema["prefixItems"][0], definitions
