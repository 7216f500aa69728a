"""The shapes that schemas of values are made of."""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "number", "exclusiveMinimum": 0}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
ANYTHING: Schema = {"type": "object"}
WORDS: Schema = {"type": "array", "items": TEXT}
OBJECTS: Schema = {"type": "array", "items": ANYTHING}


def closed(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """Return the schema of an object that has these properties and no other."""
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def one_of(*words: str) -> Schema:
    """Return the schema of one of some words."""
    return {"enum": list(words)}
