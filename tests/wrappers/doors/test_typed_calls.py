"""Described tools as Python methods: what transformers reads off them is what was described, and calls arrive."""

from __future__ import annotations

import inspect
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.wrappers.doors.typed_calls import annotation, identifiers, typed_method


def tool(name: str = "f", description: str = "Does it.", required: tuple[str, ...] = (), **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def told(schema: Any, name: str = "f") -> tuple[Any, list[dict[str, Any]]]:
    calls: list[dict[str, Any]] = []
    method = typed_method(schema, name, lambda _, arguments: calls.append(arguments) or "done")
    return type("Game", (), {name: method})(), calls


BOOK = tool(
    "book",
    "Book a room.",
    ("room", "from", "guests"),
    room={"type": "string", "description": "Which room."},
    **{"from": {"type": "integer", "description": "First\n  night."}},
    guests={"type": "array", "items": {"type": "string"}, "description": "Names."},
    bed={"enum": ["one", "two"], "description": "How many (choices: yes)."},
    extras={"type": "object", "additionalProperties": {"type": "number"}},
)


def test_what_transformers_reads_off_a_method_is_the_tool() -> None:
    utils = pytest.importorskip("transformers.utils")
    game, _ = told(BOOK, "book")
    function = utils.get_json_schema(game.book)["function"]
    assert (function["name"], function["description"]) == ("book", "Book a room.")
    assert function["parameters"]["required"] == ["room", "from_", "guests"]
    assert function["parameters"]["properties"] == {
        "room": {"type": "string", "description": "Which room."},
        "from_": {"type": "integer", "description": "First night."},
        "guests": {"type": "array", "items": {"type": "string"}, "description": "Names."},
        "bed": {"type": "string", "enum": ["one", "two"], "nullable": True, "description": "How many (choices yes)."},
        "extras": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "nullable": True,
            "description": "The extras.",
        },
    }


def test_a_call_arrives_under_the_tool_s_own_names_without_what_was_left_out() -> None:
    game, calls = told(BOOK, "book")
    assert game.book(room="a", from_=3, guests=[], bed=None) == "done"
    assert calls == [{"room": "a", "from": 3, "guests": []}]
    with pytest.raises(TypeError, match="missing a required"):
        game.book(room="a")
    with pytest.raises(TypeError, match="unexpected keyword"):
        game.book(room="a", from_=3, guests=[], cat=1)


def test_what_may_be_null_and_must_be_given_is_passed_on() -> None:
    game, calls = told(tool(required=("x",), x={"type": ["string", "null"]}))
    game.f(x=None)
    assert calls == [{"x": None}]
    assert inspect.signature(game.f).parameters["x"].annotation == str | None


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, str),
        ({"type": "number"}, float),
        ({"enum": [1, "a", None]}, Literal[1, "a", None]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, str | None),
        ({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}, list[list[int]]),
        ({"type": "object"}, dict),
        ({"$ref": "#/x"}, Any),
        ({"type": "colour"}, Any),
        ({"enum": [{}]}, Any),
        ("string", Any),
        (None, Any),
    ],
)
def test_types_are_those_of_the_schema(schema: Any, expected: Any) -> None:
    assert annotation(schema) == expected


@given(st.lists(st.text(min_size=1), unique=True), st.lists(st.text(min_size=1)))
def test_any_names_become_names_of_python_that_differ(names: list[str], taken: list[str]) -> None:
    found = identifiers(names, taken)
    assert len(set(found)) == len(names)
    assert set(found).isdisjoint(taken)
    assert all(name.isidentifier() and not name.startswith("_") for name in found)
    inspect.Signature([inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in found])


@given(
    st.text(),
    st.dictionaries(st.text(min_size=1), st.fixed_dictionaries({"type": st.just("string"), "description": st.text()})),
)
def test_hostile_names_and_sentences_make_a_schema_that_can_be_read(does: str, properties: dict[str, Any]) -> None:
    utils = pytest.importorskip("transformers.utils")
    game, calls = told(tool(description=does, required=tuple(properties), **{"x": {"type": "string"}} | properties))
    read = utils.get_json_schema(game.f)["function"]["parameters"]["properties"]
    assert len(read) == len({"x"} | properties.keys())
    game.f(**{name: name for name in read})
    assert calls[0].keys() == {"x"} | properties.keys()
