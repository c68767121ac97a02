"""Tool calls whose parameters stand between tags of their own, as XML would have them.

Qwen3-Coder, MiniMax, Seed and Anthropic name a parameter in its tag (``<parameter=k>``, ``<parameter name="k">``), GLM
in a tag before it (``<arg_key>k</arg_key><arg_value>v</arg_value>``), others make its name the tag (``<k>v</k>``).
Gemma writes ``call:name{k:<escape>v<escape>}``, with tags for quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice, zip_longest
from typing import Any

from credit_gym.data.calls import read_arguments
from credit_gym.data.foreign_text import read_json, shallow, whole_number
from credit_gym.data.python_calls import Call, Parameters, make_call

_MOST = 64  # parameters of a call, or tags that are looked at in one text

_OWN = r"(?:\w{1,20}[:_]|｜DSML｜)?"  # what makers put before the names of their tags
_FUNCTION = re.compile(
    rf"""(?:function=|{_OWN}invoke name=|function name=|tool_call name=)["']?([\w.-]{{1,99}})["']?[^<>\n]{{0,99}}>"""
)
_GLM = re.compile(rf"([\w.-]{{1,99}})\s{{0,9}}(?:$|(?=<{_OWN}arg_key>))")
_HEAD = re.compile(
    r"(?:<?invoke>\s{0,9})?<?(?:tool_name|tool|name)>\s{0,9}([\w.-]{1,99})\s{0,9}</(?:tool_name|tool|name)>"
)
_PARAMETER = re.compile(
    rf"""<{_OWN}parameter(?:=| name=)["']?([\w.-]{{1,99}})["']?[^<>]{{0,99}}>"""
    rf"""|<{_OWN}arg_key>\s{{0,9}}([\w.-]{{1,99}})\s{{0,9}}</{_OWN}arg_key>\s{{0,9}}<{_OWN}arg_value>"""
)
_END = re.compile(rf"</{_OWN}(?:parameter|arg_value|function|invoke|tool_call)>")
_BOX = re.compile(r"\s{0,9}<(parameters|arguments|args|input|tool_input)>")
_GEMMA = re.compile(r"call:([\w.-]{1,99})(?=\{)")
_QUOTE = re.compile(r'<escape>|<\|"\|>')
_KEY = re.compile(r"([{,]\s{0,9})(\w{1,64}):")
_OPENING = re.compile(r"\s{0,99}<([A-Za-z_]\w{0,63})(/?)>")
_ELEMENT = re.compile(r"<([A-Za-z_]\w{0,63})(/?)>")


def tagged_call(text: str, tools: Parameters) -> Call | None:
    """Return the call that stands behind a mark, None if it is written otherwise.

    Args:
        text: what stands there, up to the next mark.
        tools: those that are known; their schemas say which parameters are text.

    Returns:
        A call; its arguments are a text where they cannot be read.
    """
    if head := _FUNCTION.match(text):
        return make_call(head[1], _parameters(text[head.end() :], tools.get(head[1], {})))
    if head := _HEAD.match(text):
        return make_call(head[1], _boxed(text[head.end() :], tools.get(head[1], {})))
    if head := _GEMMA.match(text):
        return make_call(head[1], _quoted(text[head.end() :]))
    head = _GLM.match(text)
    if head and (head[1] in tools or head.end() < len(text)):
        return make_call(head[1], _parameters(text[head.end() :], tools.get(head[1], {})))
    return None


def element_calls(text: str, tools: Parameters) -> tuple[Call, ...]:
    """Return the calls whose tag is the name of a known tool, its parameters the elements in it."""
    calls: list[Call] = []
    place = 0
    for tag in islice(_ELEMENT.finditer(text) if "</" in text or "/>" in text else (), _MOST):
        name, closed = tag.groups()
        if tag.start() < place or name not in tools:
            continue
        end = tag.end() if closed else text.find(f"</{name}>", tag.end())
        if end >= 0:
            calls.append(make_call(name, _boxed(text[tag.end() : end], tools[name])))
            place = end
    return tuple(calls)


def _parameters(body: str, schemas: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Parameters between tags that name them, or one JSON object, or none."""
    found = list(islice(_PARAMETER.finditer(body), _MOST))
    if not found:
        return _one_object(body)
    arguments = {}
    for match, following in zip_longest(found, found[1:]):
        value = _END.split(body[match.end() : following.start() if following else len(body)], 1)[0].strip()
        name = match[1] or match[2]
        arguments[name] = _typed(value, schemas.get(name, {}))
    return arguments


def _boxed(body: str, schemas: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Parameters that are elements of their own, or one JSON object, in a ``<parameters>`` around them or not."""
    if box := _BOX.match(body):
        body = body[box.end() :].partition(f"</{box[1]}>")[0]
    if not body.lstrip().startswith("<"):
        return _one_object(body)
    arguments: dict[str, Any] = {}
    place = 0
    while len(arguments) < _MOST and (tag := _OPENING.match(body, place)):
        name, closed = tag.groups()
        end = tag.end() if closed else body.find(f"</{name}>", tag.end())
        if end < 0:
            return body
        arguments[name] = _typed(body[tag.end() : end].strip(), schemas.get(name, {}))
        place = end if closed else end + len(name) + 3
    return arguments


def _quoted(body: str) -> Mapping[str, Any] | str:
    """Parameters as Gemma writes them: JSON, but for the quotes."""
    outside = _QUOTE.split(body)
    return _one_object("".join(json.dumps(t) if k % 2 else _KEY.sub(r'\1"\2":', t) for k, t in enumerate(outside)))


def _one_object(body: str) -> Mapping[str, Any] | str:
    """The JSON object that all parameters are, whatever follows it; none where nothing is given."""
    body = body.strip()
    try:
        return read_arguments(shallow(_DECODER.raw_decode(body)[0]))
    except (ValueError, RecursionError):
        return read_arguments(_END.split(body, 1)[0].strip())


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """The value that a parameter's text means: text where it wants text, else JSON if it is that."""
    if schema.get("type") == "string":
        return text
    try:
        value = read_json(text)
    except (ValueError, RecursionError):
        return text
    return value if read_arguments({"": value}) == {"": value} else text


_DECODER = json.JSONDecoder(parse_int=whole_number, strict=False)
