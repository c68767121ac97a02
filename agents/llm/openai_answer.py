"""The body of an OpenAI chat completion as a Completion, whatever a server may have put there."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from credit_gym.agents.llm.answers import check_playable, given_calls, read_usage
from credit_gym.agents.llm.completion import Completion, Position, Request
from credit_gym.agents.llm.server import QUOTED, UNREADABLE, Server
from credit_gym.data.finish_reasons import common_reason
from credit_gym.formats.parts import read_content

_COUNTS = {"prompt_tokens": ("prompt_tokens",), "completion_tokens": ("completion_tokens",)}
_THOUGHTS = ("reasoning_content", "reasoning")  # DeepSeek, vLLM and others; OpenRouter and newer vLLM

T = TypeVar("T")


def read_answer(server: Server, request: Request, body: Any, *, constrained: bool) -> Completion:
    """Return the completion in the body of an answer.

    A refusal is an answer whose text is what the model said and whose finish reason is ``refusal``; text that was cut
    is an answer with the reason ``length`` or ``content_filter``. What it means for a step is the prompting's to say.
    Usage, token ids and log-probabilities that cannot be read are left out.

    Args:
        server: who answered.
        request: what was asked.
        body: the JSON of the answer.
        constrained: whether the server kept to the request's choices.

    Raises:
        ServerError: it is no chat completion, or there is nothing in it to play.
    """
    try:
        if not body.get("choices"):
            said = f": {server.clean(str(body['error']))[:QUOTED]}" if body.get("error") else ""
            raise server.malformed(f"no choices{said}")
        choice = body["choices"][0]
        message = choice["message"]
        content = read_content(message.get("content"))
        given = choice.get("finish_reason")
        reason = server.clean(common_reason(str(given or "stop")))[:QUOTED]
        refusal = message.get("refusal")
        if content.refused or refusal:
            reason = "refusal" if reason == "stop" else reason
        text = server.clean("".join(content.texts) or str(refusal or ""))
        calls = given_calls(server, [*content.calls, *_calls(message)])
        reason = "tool_calls" if calls and reason == "stop" else reason
        thought = server.clean(_thought(message) or "\n".join(content.thoughts))
        if not (given or calls or text or isinstance(message.get("content"), str)):
            raise server.malformed("no text")
    except UNREADABLE:
        raise server.malformed("something that is no chat completion") from None
    check_playable(server, reason, text, calls, thought)
    entries, logprobs = _readable(server, "log-probabilities", lambda: _logprobs(choice)) or ((), ())
    token_ids = _readable(server, "token ids", lambda: _ids(choice.get("token_ids"))) or ()
    ranked = bool(request.top_logprobs) and not constrained
    positions = _readable(server, "log-probabilities", lambda: _positions(server, entries)) if ranked else None
    return Completion(
        text=text,
        prompt_token_ids=_readable(server, "token ids", lambda: _ids(body.get("prompt_token_ids"))) or (),
        token_ids=token_ids,
        logprobs=() if constrained else logprobs,  # under choices they are those among the allowed tokens only
        usage=read_usage(body.get("usage"), _COUNTS),
        finish_reason=reason,
        thought=thought,
        tool_calls=calls,
        constrained=constrained,
        positions=positions or (),
    )


def _calls(message: Any) -> Iterator[Any]:
    """The calls beside the content: a list, or the one ``function_call`` of old."""
    yield from message.get("tool_calls") or ()
    if message.get("function_call"):
        yield message["function_call"]


def _thought(message: Any) -> str:
    return next((message[key] for key in _THOUGHTS if isinstance(message.get(key), str) and message[key]), "")


def _readable(server: Server, what: str, read: Callable[[], T]) -> T | None:
    """A part that an answer may lack, None if it cannot be read."""
    try:
        return read()
    except UNREADABLE:
        warnings.warn(f"{server.name} gave {what} that cannot be read; they are left out.", stacklevel=2)
        return None


def _logprobs(choice: Any) -> tuple[Any, tuple[float, ...]]:
    """The entries of the sampled tokens, and their log-probabilities.

    Raises:
        ValueError: one of them is no number.
    """
    entries = (choice.get("logprobs") or {}).get("content") or ()
    logprobs = tuple(float(entry["logprob"]) for entry in entries)
    if not all(map(math.isfinite, logprobs)):
        raise ValueError(logprobs)
    return entries, logprobs


def _positions(server: Server, entries: Any) -> tuple[Position, ...]:
    """Every token with the likeliest ones in its place; none if the server gave no such list."""
    found = tuple(
        Position(server.clean(str(entry["token"])), tuple(_ranked(server, entry.get("top_logprobs") or ())))
        for entry in entries
    )
    told = "".join(position.text for position in found)  # a key that was spelt in pieces
    return found if any(position.alternatives for position in found) and server.clean(told) == told else ()


def _ranked(server: Server, alternatives: Any) -> list[tuple[str, float]]:
    found = [(server.clean(str(each["token"])), float(each["logprob"])) for each in alternatives]
    return sorted((each for each in found if math.isfinite(each[1])), key=lambda each: -each[1])


def _ids(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values or ())
