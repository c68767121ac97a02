"""A described tool as a Python function: a signature with types and a docstring with ``Args:``, as trainers read them.

Nothing is written as source and run: the signature, the annotations and the docstring are attributes of a closure.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter, Signature
from typing import Any, Literal, Optional, Union

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_SCALARS = (str, int, float, bool, type(None))


def typed_method(tool: Mapping[str, Any], name: str, play: Callable[[Any, dict[str, Any]], str]) -> Callable[..., str]:
    """Return a method of a class that does what a tool does.

    Its arguments are keywords with the types of the tool's JSON schema. A name that Python cannot have for an argument
    is written otherwise and called by its own name again; an argument that may be left out is None by default, and is
    left out where it is None.

    Args:
        tool: OpenAI's description of a function.
        name: what the method is called.
        play: called with the object and the arguments; returns what the tool says.
    """
    function = tool.get("function", tool)
    schema = function.get("parameters") or {}
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = frozenset(schema.get("required") or ())
    names = dict(zip(identifiers(properties, {"self", "return"}), properties, strict=True))
    types = {
        each: annotation(properties[own]) if own in required else Optional[annotation(properties[own])]  # noqa: UP045
        for each, own in names.items()
    }
    signature = Signature(
        [
            Parameter("self", Parameter.POSITIONAL_OR_KEYWORD),
            *(
                Parameter(
                    each,
                    Parameter.KEYWORD_ONLY,
                    annotation=types[each],
                    default=Parameter.empty if own in required else None,
                )
                for each, own in names.items()
            ),
        ],
        return_annotation=str,
    )

    def method(*values: Any, **named: Any) -> str:
        given = signature.bind(*values, **named).arguments
        itself = given.pop("self")
        left_out = {each for each, own in names.items() if own not in required and given.get(each) is None}
        return play(itself, {names[each]: value for each, value in given.items() if each not in left_out})

    described: Any = method
    described.__name__ = described.__qualname__ = name
    described.__signature__ = signature
    described.__annotations__ = {**types, "return": str}
    described.__doc__ = _docstring(function.get("description"), {each: properties[own] for each, own in names.items()})
    return method


def identifiers(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return for each name one that Python can have, all of them different and none of them taken.

    Args:
        names: what things are called.
        taken: names that are somebody else's.
    """
    used, found = set(taken), []
    for name in names:
        bare = re.sub(r"\W", "_", name, flags=re.ASCII).lstrip("_") or "it"
        bare = f"n{bare}" if bare[0].isdigit() else bare
        while bare in used or keyword.iskeyword(bare):
            bare += "_"
        used.add(bare)
        found.append(bare)
    return found


def annotation(schema: Any) -> Any:
    """Return the type of a JSON schema's values; ``Any`` for what has no name in Python."""
    if not isinstance(schema, Mapping):
        return Any
    choices = schema.get("enum")
    if isinstance(choices, list) and choices and all(type(choice) in _SCALARS for choice in choices):
        return Literal[tuple(choices)]
    several = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(several, list):
        return Union[tuple(annotation(each) for each in several)]  # noqa: UP007 - a tuple of types
    kind = schema.get("type")
    if isinstance(kind, list):
        return Union[tuple(annotation({**schema, "type": each}) for each in kind)]  # noqa: UP007
    if kind == "array" and "items" in schema:
        return list[annotation(schema["items"])]  # type: ignore[misc]
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return dict[str, annotation(schema["additionalProperties"])]  # type: ignore[misc]
    return _TYPES.get(kind, Any) if isinstance(kind, str) else Any


def _docstring(does: Any, properties: Mapping[str, Any]) -> str:
    lines = [_line(does) or "Use this tool."]
    if properties:
        lines += ["", "Args:", *(f"    {name}: {_meaning(name, each)}" for name, each in properties.items())]
    return "\n".join(lines)


def _meaning(name: str, schema: Any) -> str:
    said = schema.get("description") if isinstance(schema, Mapping) else None
    return _line(said) or f"The {name.replace('_', ' ').strip()}."


def _line(text: Any) -> str:
    """A text on one line, without the words by which readers of docstrings find their sections and choices."""
    line = " ".join(str(text or "").split())
    return re.sub(r"\b(Args|Returns|Raises):|\((choices):", lambda word: word[0].replace(":", ""), line)
