"""The body of an answer of the Messages API as a Completion, whatever a server may have put there."""

from __future__ import annotations

from typing import Any

from credit_gym.agents.llm.answers import check_playable, given_calls, read_usage
from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.server import QUOTED, UNREADABLE, Server
from credit_gym.data.finish_reasons import common_reason
from credit_gym.formats.parts import read_content

_COUNTS = {
    "prompt_tokens": ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
    "completion_tokens": ("output_tokens",),
}
_READ = ("text", "thinking", "tool_use")  # blocks that are the model's own; others are the server's affair


def read_answer(server: Server, request: Request, body: Any) -> Completion:
    """Return the completion in the body of an answer.

    Text that was cut or declined is an answer with that finish reason; thinking is the thought. Counts that cannot be
    read are left out of the usage.

    Args:
        server: who answered.
        request: what was asked.
        body: the JSON of the answer.

    Raises:
        ServerError: it is no message, or there is nothing in it to play.
    """
    try:
        given = body.get("stop_reason")
        blocks = [block for block in body["content"] or () if block.get("type") in _READ]
        content = read_content(blocks)
        text = server.clean("".join(content.texts))
        calls = given_calls(server, content.calls)
        thought = server.clean("\n".join(content.thoughts))
        reason = server.clean(common_reason(str(given or "end_turn")))[:QUOTED]
        if not (blocks or given):
            raise server.malformed("no text")
    except UNREADABLE:
        raise server.malformed("something that is no message") from None
    for ending in request.stop:
        text = text.partition(ending)[0]  # for those that the API does not take
    check_playable(server, reason, text, calls, thought)
    return Completion(
        text=text,
        usage=read_usage(body.get("usage"), _COUNTS),
        finish_reason=reason,
        thought=thought,
        tool_calls=calls,
    )
