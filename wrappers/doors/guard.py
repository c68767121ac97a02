"""Who may come in, and what may pass: an ASGI layer around a server of environments.

It knows the frame of OpenEnv's messages, ``{"type": ..., "data": {...}}``, and refuses in one sentence what is too
large, too deep, too fast, of another shape, or without the token. A refused message costs its sender nothing else: the
session goes on. What it refuses, the application never sees.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

from credit_gym.data.foreign_text import read_json
from credit_gym.errors import CreditGymError

Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MESSAGES = ("reset", "step", "state", "close", "mcp")
"""Types of messages that OpenEnv knows."""

_BARE = ("state", "close")  # those that say nothing else
_OPEN = "/health"  # what a container's health check asks, without a token
_SESSIONS = "/ws"
_IDLE = "The session was idle for {:g} s and has ended: connect again."
PATIENCE = 30.0
"""Seconds that the body of a request may take."""
_LONGEST_NAME = 80  # characters of what a call names
_UNREADABLE, _INVALID = -32700, -32600  # JSON-RPC's codes of what is no JSON, and of what is no call
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # may be half of a character, which no text can hold


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Attributes:
        message_bytes: of the largest message and the largest body of a request.
        per_second: most messages a second of one session, and how many may come at once after a pause.
        idle: seconds without a message after which a session is ended.
    """

    message_bytes: int = 1 << 20
    per_second: float = 5000.0
    idle: float = 1800.0


class Refusal(NamedTuple):
    """Why a message goes no further: a sentence, and OpenEnv's code for it or one of ours."""

    sentence: str
    code: str


class Guard:
    """An ASGI application that lets in what another may see.

    Args:
        app: the other.
        token: what a request must carry as ``Authorization: Bearer TOKEN``; None asks for none, and then refuses
            what a web page sends, which could otherwise reach a server on the reader's own machine.
        limits: what is too much.

    Raises:
        CreditGymError: the token is empty.
    """

    def __init__(self, app: Application, *, token: str | None = None, limits: Limits | None = None) -> None:
        self._app = app
        if token is not None and not token.strip():
            raise CreditGymError("The token is empty: give --token, or CREDIT_GYM_TOKEN, a text that nobody guesses.")
        self._token = None if token is None else f"Bearer {token}".encode()
        self._limits = limits or Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one session."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._session(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != _OPEN and (refused := self._stranger(scope)):
            await _answer(send, "http.response", *refused)
            return
        try:
            async with asyncio.timeout(PATIENCE):
                body = await _body(receive, self._limits.message_bytes)
        except TimeoutError:
            await _answer(send, "http.response", 408, f"The request was not whole after {PATIENCE:g} s: send it again.")
            return
        if body is None:
            most = self._limits.message_bytes
            await _answer(send, "http.response", 413, f"A request may have {most} bytes: send less.")
            return
        if (wrong := _wrong_request(scope["path"], body)) is not None:
            await _answer(send, "http.response", *wrong)
            return
        waiting: list[Event] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Event:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)

    async def _session(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._stranger(scope)
        if not refused and not scope["path"].endswith(_SESSIONS):
            refused = 404, f"Sessions are played at {_SESSIONS}."
        if refused:
            await receive()  # the connect
            await _answer(send, "websocket.http.response", *refused)
            return
        pace = _Pace(self._limits.per_second)
        gone = False

        async def checked() -> Event:
            nonlocal gone
            while True:
                try:
                    async with asyncio.timeout(self._limits.idle):
                        event = await receive()
                except TimeoutError:
                    gone = True
                    await _refuse(send, Refusal(_IDLE.format(self._limits.idle), "SESSION_ERROR"))
                    await send({"type": "websocket.close", "code": 1001})
                    return {"type": "websocket.disconnect", "code": 1001}
                if event["type"] != "websocket.receive":
                    gone = event["type"] == "websocket.disconnect"
                    return event
                wrong = pace.refusal(monotonic()) or _refusal(event, self._limits.message_bytes)
                if wrong is None:
                    return event
                await _refuse(send, wrong)

        async def answered(event: Event) -> None:
            nonlocal gone
            try:
                await send(event)
            except Exception:
                gone = True
                raise

        try:
            await self._app(scope, checked, answered)
        except Exception:
            if not gone:  # else it is what comes of writing to somebody who has left
                raise

    def _stranger(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence for whoever may not come in."""
        headers = dict(scope["headers"])
        if self._token is None:
            if b"origin" in headers:
                return 403, "Web pages are not served without a token: start the server with --token."
            return None
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._token):
            return 401, "This server wants its token: send the header Authorization: Bearer TOKEN."
        return None


def refusal(text: str, most: int) -> Refusal | None:
    """Return why a message of a session goes no further, None if it may.

    Args:
        text: the message.
        most: bytes that it may have.
    """
    if len(text) > most or len(text.encode(errors="replace")) > most:
        return Refusal(f"A message may have {most} bytes: send less.", "MESSAGE_TOO_LARGE")
    try:
        message = read_json(text)
    except ValueError as error:
        return Refusal(f"A message is JSON, and this cannot be read: {_first_line(error)}.", "INVALID_JSON")
    if not isinstance(message, dict):
        return Refusal('A message is an object such as {"type": "reset", "data": {}}.', "VALIDATION_ERROR")
    if message.get("type") not in MESSAGES:
        return Refusal(f"The type of a message is one of {', '.join(MESSAGES)}.", "UNKNOWN_TYPE")
    if not message.keys() <= {"type", "data"} or not isinstance(message.get("data", {}), dict):
        return Refusal('A message has a "type" and, as an object, its "data", and nothing else.', "VALIDATION_ERROR")
    if _HALF.search(text) and not _is_text(message):
        return Refusal("A message holds half a character (a lone surrogate): send whole ones.", "VALIDATION_ERROR")
    if message["type"] in _BARE and "data" in message:
        return Refusal(
            f'A message of the type {message["type"]} has no "data": send its type alone.', "VALIDATION_ERROR"
        )
    wrong = _WRONG.get(message["type"], _nothing)(message.get("data", {}))
    return None if wrong is None else Refusal(wrong, "VALIDATION_ERROR")


def _nothing(_: Mapping[str, Any]) -> None:
    return None


def _wrong_action(data: Mapping[str, Any]) -> str | None:
    if not isinstance(data.get("text"), str):
        return 'The action of a step is {"text": ...}, with the action as a text.'
    if not data.keys() <= {"text", "metadata"} or not isinstance(data.get("metadata", {}), dict):
        return 'A step has a "text" and, as an object, "metadata", and nothing else.'
    return None


def _wrong_call(call: Mapping[str, Any]) -> str | None:
    """What is wrong with a call of JSON-RPC, in which form MCP asks."""
    if call.get("jsonrpc") != "2.0" or not call.keys() <= {"jsonrpc", "method", "params", "id"}:
        return 'A call is JSON-RPC: "jsonrpc" ("2.0"), "method", "params" and "id", and nothing else.'
    if not _is_name(call.get("method")):
        return "The method of a call is a name such as tools/list."
    params = call.get("params", {})
    if not isinstance(params, dict):
        return "The params of a call are an object."
    if not _is_name(params.get("session_id", "-")):
        return "The session_id of a call is the text that openenv/session/create answered."
    number = call.get("id")
    if number is not None and (isinstance(number, bool) or not isinstance(number, (str, int))):
        return "The id of a call is a text or a whole number."
    return None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and value.isprintable()


_WRONG: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {"step": _wrong_action, "mcp": _wrong_call}


def _refusal(event: Event, most: int) -> Refusal | None:
    if event.get("text") is None:
        return Refusal("A message is text: binary frames are not read.", "VALIDATION_ERROR")
    return refusal(event["text"], most)


class _Pace:
    """How fast messages may come: a bucket that fills with time and that each of them takes from."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = max(per_second, 1.0)
        self._seen: float | None = None

    def refusal(self, now: float) -> Refusal | None:
        """Return why the message that comes now is too much, None if it is not."""
        since = 0.0 if self._seen is None else now - self._seen
        self._seen = now
        self._left = min(self._left + since * self._per_second, max(self._per_second, 1.0))
        if self._left < 1.0:
            return Refusal(f"More than {self._per_second:g} messages a second: wait for each answer.", "RATE_LIMITED")
        self._left -= 1.0
        return None


async def _body(receive: Receive, most: int) -> bytes | None:
    """The body of a request, None if it is too large."""
    parts, size = list[bytes](), 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return b"".join(parts)
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return None
        if not event.get("more_body", False):
            return b"".join(parts)


def _wrong_request(path: str, body: bytes) -> tuple[int, str, int | None] | None:
    """Status, sentence and JSON-RPC's code, where that is asked, for a body that goes no further."""
    calls, steps = path.endswith("/mcp"), path.endswith("/step")
    if not body:
        return None
    try:
        value = read_json(body)
    except ValueError as error:
        return 400, f"The request cannot be read: {_first_line(error)}.", _UNREADABLE if calls else None
    if not _is_text(value):
        return 400, "The request cannot be read: it holds half a character (a lone surrogate).", None
    if calls:
        wrong = (
            _wrong_call(value) if isinstance(value, dict) else "A call is one JSON object, with no others beside it."
        )
        return None if wrong is None else (200, wrong, _INVALID)  # the status that OpenEnv itself gives, and asks for
    if steps and isinstance(value, dict) and isinstance(value.get("action"), dict):
        wrong = _wrong_action(value["action"])
        return None if wrong is None else (422, wrong, None)
    return None


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _first_line(error: ValueError) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


async def _refuse(send: Send, wrong: Refusal) -> None:
    error = {"type": "error", "data": {"message": wrong.sentence, "code": wrong.code}}
    await send({"type": "websocket.send", "text": json.dumps(error)})


async def _answer(send: Send, kind: str, status: int, sentence: str, code: int | None = None) -> None:
    """A refusal as OpenEnv's routes give it, or with a code as JSON-RPC does."""
    called = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": sentence}}
    body = json.dumps({"detail": sentence} if code is None else called).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
