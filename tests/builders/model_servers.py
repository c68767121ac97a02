"""Model servers on loopback: real sockets, the OpenAI and Anthropic protocols, and every way to fail."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

KEY = "sk-PLANTED-0123456789abcdef"


@dataclass(frozen=True)
class Seen:
    """A request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """What the server sends back.

    Attributes:
        status: of the answer.
        body: bytes, text, or what JSON can hold.
        kind: content type.
        headers: more headers.
        cut: send this share of the body only, then reset the connection; None sends it whole.
        delay: seconds before the answer.
    """

    body: Any = ""
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: float | None = None
    delay: float = 0.0


Handler = Callable[[Seen], Reply]


class LoopbackServer:
    """An HTTP/1.1 server with keep-alive; ``answer`` decides, ``seen`` remembers."""

    def __init__(self, answer: Handler) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.port = 0

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def posts(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "POST"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        seen = Seen(method, path, headers, json.loads(content) if content else None)
        self.seen.append(seen)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            reply = self.answer(seen)
            if reply.delay:
                await asyncio.sleep(reply.delay)
        finally:
            self.in_flight -= 1
        body = reply.body if isinstance(reply.body, (bytes, str)) else json.dumps(reply.body)
        body = body.encode() if isinstance(body, str) else body
        extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        head = f"HTTP/1.1 {reply.status} X\r\ncontent-type: {reply.kind}\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}{extra}\r\n".encode())
        if reply.cut is not None:
            writer.write(body[: int(reply.cut * len(body))])
            await writer.drain()
            writer.transport.abort()
            return False
        writer.write(body)
        await writer.drain()
        return True


@contextmanager
def serving(answer: Handler):
    """Serve on a free loopback port in a thread."""
    server = LoopbackServer(answer)
    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024))
    server.port = listener.sockets[0].getsockname()[1]
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listener.close()
        loop.run_until_complete(_cancel_the_rest())
        loop.close()


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def chosen_action(body: dict[str, Any]) -> str:
    """One of the actions that the last message offers (``You can a, b or c.``), fixed by the request."""
    offered = re.search(r"You can ([^.]*)\.", body["messages"][-1]["content"])
    actions = re.split(r", | or ", offered[1]) if offered else ["wait"]
    digest = hashlib.sha256(json.dumps([body["messages"], body.get("seed")]).encode()).digest()
    return actions[digest[0] % len(actions)]


def chat_completion(text: str, **message: Any) -> dict[str, Any]:
    """An answer of the OpenAI protocol."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, **message},
                "logprobs": {"content": [{"token": word, "logprob": -0.25, "bytes": None} for word in text.split()]},
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": len(text.split()), "total_tokens": 20 + len(text.split())},
    }


def anthropic_message(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    """An answer of the Messages API."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 20, "output_tokens": 3},
    }


def calling(name: str, arguments: dict[str, Any], text: str | None = None, **message: Any) -> dict[str, Any]:
    """An answer of the OpenAI protocol that calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    body = chat_completion("", **message, tool_calls=[{"id": "call_1", "type": "function", "function": function}])
    body["choices"][0]["message"]["content"] = text
    body["choices"][0]["finish_reason"] = "tool_calls"
    return body


def anthropic_calling(name: str, arguments: dict[str, Any], text: str = "") -> dict[str, Any]:
    """An answer of the Messages API that calls a tool."""
    said = [{"type": "text", "text": text}] if text else []
    used = {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments}
    return {**anthropic_message("", "tool_use"), "content": [*said, used]}


def openai_server(seen: Seen) -> Reply:
    """A server like the provider's own: no vLLM."""
    if seen.path == "/v1/models":
        return Reply({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "somebody"}]})
    return Reply(chat_completion(chosen_action(seen.body)))


def vllm_server(seen: Seen) -> Reply:
    """A server like vLLM: token ids, and answers kept to the choices."""
    if seen.path == "/v1/models":
        return Reply({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "vllm"}]})
    choices = seen.body.get("structured_outputs", {}).get("choice")
    answer = chat_completion(choices[-1] if choices else "two words")
    if seen.body.get("return_token_ids"):
        answer["prompt_token_ids"] = [1, 2, 3]
        answer["choices"][0]["token_ids"] = [7, 8]
    return Reply(answer)


def anthropic_server(seen: Seen) -> Reply:
    return Reply(anthropic_message(chosen_action(seen.body)))


OVERFLOW = {
    "error": {
        "message": "This model's maximum context length is 128 tokens. However, your messages resulted in 200 tokens.",
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
    }
}
QUOTA = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}


def error_body(message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "api_error", "message": message}}


PASSING_FAULTS: dict[str, Reply] = {
    "408": Reply(error_body("timeout"), 408),
    "409": Reply(error_body("conflict"), 409),
    "429": Reply(error_body("slow down"), 429, headers={"retry-after": "0"}),
    "500": Reply(error_body("oops"), 500),
    "529": Reply(error_body("Overloaded"), 529),
    "reset before the answer": Reply("x" * 100, cut=0.0),
    "reset mid-body": Reply(chat_completion("go"), cut=0.5),
    "truncated JSON": Reply(json.dumps(chat_completion("go"))[:80]),
    "malformed JSON": Reply("{'choices': [}"),
    "not UTF-8": Reply(b"\xff\xfe{"),
    "deep JSON": Reply("[" * 100_000),
    "text/plain": Reply("the proxy is tired", kind="text/plain"),
    "empty object": Reply({}),
    "empty choices": Reply({"choices": [], "content": []}),
    "null": Reply("null"),
    "a list": Reply("[1, 2]"),
    "odd types": Reply({"choices": "abc", "content": 7}),
    "no text": Reply({"choices": [{"message": {"content": None}}], "content": [{"type": "novel"}]}),
    "an error under status 200": Reply({"error": {"message": "upstream failed"}}),
}
"""Failures that may pass, for both protocols."""


class FaultyServer:
    """Answers like another server, save that a share of the attempts meets a fault; which ones is fixed by the seed."""

    def __init__(self, answer: Handler, share: float, faults: list[Reply], seed: int = 0) -> None:
        self.answer = answer
        self.share = share
        self.faults = faults
        self.seed = seed
        self.injected = 0
        self._attempts: Counter[str] = Counter()

    @property
    def attempts(self) -> int:
        return self._attempts.total()

    def __call__(self, seen: Seen) -> Reply:
        if seen.method != "POST":
            return self.answer(seen)
        request = json.dumps(seen.body, sort_keys=True)
        self._attempts[request] += 1
        digest = hashlib.sha256(f"{self.seed} {self._attempts[request]} {request}".encode()).digest()
        if int.from_bytes(digest[:8], "big") >= self.share * 2**64:
            return self.answer(seen)
        self.injected += 1
        return self.faults[digest[8] % len(self.faults)]
