"""Tool calls as models write them in text: JSON, fenced or tagged, a list, OpenAI's and others' objects, Python.

What looks like a call and cannot be read is told apart from speech, so that nobody takes the one for the other. Text is
hostile: nothing of it is run, and reading it costs O(n).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from credit_gym.data.calls import read_arguments
from credit_gym.data.foreign_text import shallow, whole_number
from credit_gym.data.python_calls import Call, Parameters, make_call, python_calls, python_value, unknown_call
from credit_gym.data.tagged_calls import element_calls, tagged_call


class Unreadable(NamedTuple):
    """What looks like a call and is none, and the sentence that says why."""

    reason: str


Read: TypeAlias = tuple[Call, ...] | Unreadable
"""The calls of a text; none, ``()``, where it is speech."""

BROKEN = Unreadable('This is no tool call: write {"name": "...", "arguments": {...}} and nothing else.')

_MOST_PIECES = 64  # fences, tags, lines or objects that are looked at in one text
_MOST_BROKEN = 8  # objects that may turn out to be no JSON: each costs a look at all that follows

_NAMES = ("name", "tool", "tool_name", "function", "function_name", "action", "recipient_name")
_ARGUMENTS = (
    *("arguments", "parameters", "args", "input", "params", "kwargs"),
    *("tool_input", "tool_args", "tool_arguments", "action_input", "function_args"),
)
_INSIDE = ("function", "function_call", "functionCall", "tool_call", "toolUse", "custom", "action", "call")
"""Objects that hold the call."""
_AROUND = ("message", "choices", "candidates", "content", "parts", "output")
"""What holds messages, their parts and items: OpenAI's, Anthropic's, Gemini's and Bedrock's answers as they are."""
_DEEPEST = 8
_ENDINGS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|call|>", "<|end|>", "</s>")

_NAME = re.compile(r"[\w.:/-]{1,99}")
_OBJECT = re.compile(r"""(?:\[\s{0,9}){0,3}\{\s{0,99}(?:["'}]|\w{1,40}\s{0,9}:|$)""")
_KEY = re.compile(r"""\{\s{0,99}["']\w{1,40}["']\s{0,9}:""")
_FENCE = re.compile(r"^[ \t]{0,9}(`{3,9}|~{3,9})[ \t]{0,9}(\w{0,20})", re.MULTILINE)
_LINE = re.compile(
    r"^[ \t]{0,9}(?:(?:action|call|tool|function)[ _a-z]{0,9}:[ \t]{0,9}|\w{1,40} ?= ?)?"
    r"((?:\w{1,40}\.){0,3}(\w{1,64})\()",
    re.MULTILINE | re.IGNORECASE,
)
_WHOLE = re.compile(r"(?:\w{1,40}\.){0,3}(\w{1,64})([ \t\n]{0,9})\(")
_NAMED = re.compile(r"(?:functions\.)?([\w.-]{1,99})\s{0,9}(?=\{)")
_WORD = re.compile(r"[A-Za-z_]\w{0,63}")
_MARK = re.compile(
    r"<(/?)(?:\w{1,20}[:_]|｜DSML｜)?"
    r"(?:(?:tool|function)_?calls?|tool_use|tool_code|use_mcp_tool|invoke)(?: id=[^<>]{1,99})?>"
    r"|\[(/?)TOOL_CALLS\]|<\|python_(?:tag|start|(end))\|>|<\|tool_call\|?>|<(?:start|(end))_function_call>|✿FUNCTION✿:?"
    r"|<(?=function=|(?:(?:\w{1,20}:|｜DSML｜)?invoke|function|tool_call) name=|tool(?:_name)?>)|(?=\bto=functions\.)"
    r"|<[|｜]tool[_▁]calls?[_▁](?:section[_▁])?(?:begin|start|(end))[|｜]>(?:function<｜tool_sep｜>(?=<))?"
    r"|^Action:(?=[^\n]{1,99}\n{1,2}Action Input:)|^>>>(?=[\w.]{1,99}\n[ \t]{0,9}\{)",
    re.MULTILINE | re.IGNORECASE,
)
_SIGNS = ("tool", "function", "<|", "<｜", "invoke name=", "action input:", ">>>")
"""One of them stands, in small letters, in every text that :data:`_MARK` finds something in."""


def read_calls(text: str, tools: Parameters) -> Read:
    """Return the calls that a reply makes.

    Read are JSON objects under the usual names of a call's parts (also as a list, one after another, inside ``{
    "tool_calls": [...]}`` or ``{"function": {...}}``, their arguments as JSON text), Python calls with literals as
    arguments, and either in a fence, between ``<tool_call>`` and the marks that other models were trained on, or
    before and after other words. A whole text in the form of a call is one whatever it is called by; among other words
    a Python call must be of a known tool and begin a line.

    Args:
        text: what the model wrote, hostile or not.
        tools: those that it has, see :func:`parameters`; unnamed arguments go to their parameters in order.

    Returns:
        The calls; ``()`` if the text is speech; or why what looks like a call is none.
    """
    text = text.strip()
    for ending in _ENDINGS:
        text = text.removesuffix(ending).rstrip()
    for read in (_whole, _marked, element_calls, _fenced, _among_words):
        found = read(text, tools)
        if found:
            return found
    return BROKEN if _OBJECT.match(text) else ()


def marked_calls(text: str) -> Read:
    """Return the calls that stand between the marks of a dialect, of whatever tool; ``()`` where there are no marks."""
    return _marked(text, {})


def before_marks(text: str) -> str:
    """Return what a reply says before its first mark; all of it where there is none."""
    mark = _MARK.search(text)
    return text[: mark.start()].rstrip() if mark else text


def parameters(schemas: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the parameters of tools by name, from their OpenAI function descriptions."""
    functions = [schema.get("function", schema) for schema in schemas]
    return {
        str(function.get("name", "")): (function.get("parameters") or {}).get("properties") or {}
        for function in functions
    }


def _whole(text: str, tools: Parameters) -> Read:
    """A text that is nothing but calls."""
    bare = text.strip("`").strip() if text.startswith("`") and not text.startswith("```") else text
    if _OBJECT.match(bare):
        return _objects(bare, tools) or ()
    if (named := _NAMED.match(bare)) and named[1] in tools:
        return _objects_of(named[1], bare[named.end() :])
    match = _WHOLE.match(bare.removeprefix("["))
    if match is None or not bare.endswith((")", "]", ");")):
        return ()
    name, blank = match.groups()
    if name in tools or bare.startswith("["):
        return python_calls(bare, tools) or (BROKEN if name in tools and "=" in bare else ())
    found = None if blank else unknown_call(bare)
    if found is None:
        return ()
    return (
        (found,) if isinstance(found["arguments"], Mapping) else Unreadable(f"There is no tool called {name[:80]!r}.")
    )


def _marked(text: str, tools: Parameters) -> Read:
    """Calls between marks; whatever stands behind an opening one must be a call."""
    marks = list(islice(_MARK.finditer(text), _MOST_PIECES)) if any(map(text.lower().__contains__, _SIGNS)) else []
    calls: tuple[Call, ...] = ()
    for number, mark in enumerate(marks, start=1):
        inside = text[mark.end() : marks[number].start() if number < len(marks) else len(text)].strip()
        if not inside or any(mark.groups()):
            continue
        found = _piece(inside, tools)
        if isinstance(found, Unreadable):
            return found
        calls += found
    return calls or (BROKEN if marks else ())


def _piece(text: str, tools: Parameters) -> Read:
    """What stands behind a mark."""
    if _OBJECT.match(text):
        return _objects(text, tools) or _among_words(text, tools) or BROKEN
    if found := tagged_call(text, tools):
        return (found,) if isinstance(found["arguments"], Mapping) else BROKEN
    return _fenced(text, tools) or python_calls(text, tools) or _named(text, tools) or BROKEN


def _objects_of(name: str, text: str) -> Read:
    """The call of a tool whose arguments are a whole text."""
    value, end = _decoded(text, 0)
    return (make_call(name, value),) if isinstance(value, dict) and end == len(text) else BROKEN


def _named(text: str, tools: Parameters) -> Read:
    """The name of a tool, and soon after it a JSON object: so write models that have marks for all the rest."""
    for word in islice(_WORD.finditer(text), _MOST_PIECES):
        brace = text.find("{", word.end(), word.end() + 99) if word[0] in tools else -1
        if brace >= 0:
            value, _ = _decoded(text, brace)
            return (make_call(word[0], value),) if isinstance(value, dict) else BROKEN
    return ()


def _fenced(text: str, tools: Parameters) -> Read:
    """Calls in fenced blocks; what else stands in a block is shown to the customer."""
    calls: tuple[Call, ...] = ()
    for language, body in islice(_fences(text) if "```" in text or "~~~" in text else (), _MOST_PIECES):
        found: Read = ()
        if _OBJECT.match(body):
            objects = _objects(body, tools)
            found = objects if objects is not None else BROKEN if _mentions(body, tools) else ()
        elif language in _CODE or any(line[2] in tools for line in islice(_LINE.finditer(body), _MOST_PIECES)):
            found = python_calls(body, tools) or BROKEN
        if isinstance(found, Unreadable):
            return found
        calls += found
    return calls


def _fences(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of each fenced block; one that is never closed reaches to the end."""
    mark, language, start = "", "", 0
    for fence in _FENCE.finditer(text):
        end = text.find("\n", fence.end())
        end = len(text) if end < 0 else end
        rest = text[fence.end() : end].rstrip()
        if mark:
            if fence[1].startswith(mark) and not (fence[2] or rest):
                yield language, text[start : fence.start()].strip()
                mark = ""
        elif rest.endswith(fence[1]):  # all on one line
            yield fence[2].lower(), rest.removesuffix(fence[1]).strip()
        else:
            mark, language, start = fence[1], fence[2].lower(), end
    if mark:
        yield language, text[start:].strip().rstrip("`~").rstrip()


def _among_words(text: str, tools: Parameters) -> Read:
    """Calls before, after and between other words."""
    calls: tuple[Call, ...] = ()
    place = broken = 0
    for key in islice(_KEY.finditer(text) if "{" in text else (), _MOST_PIECES):
        if key.start() < place:
            continue
        value, end = _decoded(text, key.start())
        if value is None:
            broken += 1
            if _mentions(text[key.start() : key.start() + 200], tools):
                return BROKEN
            if broken == _MOST_BROKEN:
                break
            continue
        place = end
        found = _from_value(value, tools)
        if isinstance(found, Unreadable):
            return found
        calls += found
    return calls or _lines(text, tools)


def _lines(text: str, tools: Parameters) -> Read:
    """Python calls of known tools at the beginning of a line, to the end of the text or of the line."""
    if "(" not in text:
        return ()
    starts = [match.start(1) for match in islice(_LINE.finditer(text), _MOST_PIECES) if match[2] in tools]
    if not starts:
        return ()
    if found := python_calls(text[starts[0] :], tools):
        return found
    calls: tuple[Call, ...] = ()
    for start in starts:
        made = python_calls(text[start:].partition("\n")[0], tools)
        if not made:
            return BROKEN
        calls += made
    return calls


def _mentions(text: str, tools: Parameters) -> bool:
    """Whether broken text has something of a call: a tool's name, or the names of a call's parts."""
    words = {word[0] for word in _WORD.finditer(text[:2_000])}
    return not words.isdisjoint(tools) or "tool_calls" in words or (
        not words.isdisjoint(_NAMES) and not words.isdisjoint(_ARGUMENTS)
    )  # fmt: skip


def _objects(text: str, tools: Parameters) -> Read | None:
    """The calls that JSON values one after another mean, ``()`` if they mean none; None if it is no JSON."""
    calls: tuple[Call, ...] = ()
    place = 0
    for _ in range(_MOST_PIECES):
        value, end = _decoded(text, place)
        if value is None:
            value, end = python_value(text[place:]), len(text)
        if value is None:
            return None
        found = _from_value(value, tools)
        if isinstance(found, Unreadable):
            return found
        calls += found
        place = end
        while place < len(text) and (text[place].isspace() or text[place] in ",;"):
            place += 1
        if place == len(text):
            return calls
    return None


def _from_value(value: Any, tools: Parameters) -> Read:
    if isinstance(value, Mapping):
        return _from_object(value, tools)
    calls: list[Call] = []
    for item in value if isinstance(value, list) else ():
        found = _from_object(item, tools) if isinstance(item, Mapping) else ()
        if isinstance(found, Unreadable):
            return found
        if not found and calls:
            return BROKEN
        calls += found
    return tuple(calls)


def _by_key(value: Mapping[str, Any], tools: Parameters) -> Read:
    """The call in ``{"get_loan": {...}}``, of a known tool."""
    (name, arguments), *others = value.items() or (("", None),)
    if others or name not in tools:
        return ()
    return (make_call(name, arguments),) if isinstance(arguments, Mapping) else BROKEN


def _from_around(value: Mapping[str, Any], tools: Parameters, depth: int) -> Read:
    """The calls in a message, or in an answer of a server as it is; what else stands in it is speech."""
    calls: tuple[Call, ...] = ()
    for key in _AROUND if depth else ():
        inside = value.get(key)
        for item in islice(inside, _MOST_PIECES) if isinstance(inside, list) else (inside,):
            found = _from_object(item, tools, depth - 1) if isinstance(item, Mapping) else ()
            if isinstance(found, Unreadable):
                return found
            calls += found
    return calls


def _from_object(value: Mapping[str, Any], tools: Parameters, depth: int = _DEEPEST) -> Read:
    """The calls that an object means, ``()`` where it is about something else."""
    if isinstance(value.get("tool_calls"), list):
        return _from_value(value["tool_calls"], tools) or (BROKEN if value["tool_calls"] else ())
    inside = next((value[key] for key in _INSIDE if isinstance(value.get(key), Mapping)), value)
    name = next((inside[key] for key in _NAMES if isinstance(inside.get(key), str)), None)
    given = next((key for key in _ARGUMENTS if key in inside), None)
    if name is None:
        found = _by_key(inside, tools) or _from_around(value, tools, depth)
        return found or (BROKEN if given and any(key in inside for key in _NAMES) else ())
    name = name if name in tools else name.removeprefix("functions.")
    if given is None or not _NAME.fullmatch(name):
        return BROKEN if name in tools else ()
    arguments = read_arguments(inside[given])
    return (make_call(name, arguments),) if isinstance(arguments, Mapping) else BROKEN


def _decoded(text: str, place: int) -> tuple[Any, int]:
    """The JSON value at a place and where it ends; None if there is none."""
    try:
        value, end = _JSON.raw_decode(text, place)
        return shallow(value), end
    except (ValueError, RecursionError):
        return None, place


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_int=whole_number, parse_constant=_no_constant, strict=False)
_CODE = frozenset({"tool_code", "tool_call"})
