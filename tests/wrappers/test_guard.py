"""The guard of a server: what it lets through and what it answers itself, without any server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.errors import CreditGymError
from credit_gym.wrappers.doors.guard import Guard, Limits, refusal

MOST = 10_000
STEP = '{"type": "step", "data": {"text": "look"}}'


class Inner:
    """An application that accepts, keeps what it is sent, and answers each message with its number."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.bodies.append((await receive())["body"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"fine"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            self.received.append(event["text"])
            await send({"type": "websocket.send", "text": str(len(self.received))})


def session(guard: Guard, *events: Any, path: str = "/ws", headers: Any = ()) -> list[Any]:
    """What a session is sent that sends some texts, or events."""
    waiting = [{"type": "websocket.connect"}]
    waiting += [{"type": "websocket.receive", "text": event} if isinstance(event, str) else event for event in events]
    waiting.append({"type": "websocket.disconnect"})
    return _served(guard, {"type": "websocket", "path": path, "headers": list(headers)}, waiting)


def request(guard: Guard, *parts: bytes, path: str = "/reset", headers: Any = ()) -> tuple[int, str]:
    """Status and body of the answer to a request."""
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    start, body = _served(guard, {"type": "http", "path": path, "headers": list(headers)}, waiting)
    return start["status"], body["body"].decode()


def _served(guard: Guard, scope: Any, waiting: list[Any]) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(event: Any) -> None:
        sent.append(event)

    asyncio.run(guard(scope, receive, send))
    return sent


def errors(sent: list[Any]) -> list[str]:
    """The sentences among what was sent."""
    texts = [json.loads(event["text"]) for event in sent if event["type"] == "websocket.send"]
    return [text["data"]["message"] for text in texts if isinstance(text, dict) and text["type"] == "error"]


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and len(text) < 200


HOSTILE = {
    "oversized": '{"type": "step", "data": {"text": "' + "x" * MOST + '"}}',
    "oversized in bytes": '{"type": "step", "data": {"text": "' + "é" * (MOST - 100) + '"}}',
    "deep": "[" * 5000,
    "deep and whole": '{"type": "reset", "data": {"a": ' + "[" * 500 + "]" * 500 + "}}",
    "no JSON": "look around",
    "a list": "[1, 2]",
    "a number": "7",
    "null": "null",
    "unknown type": '{"type": "explode", "data": {}}',
    "a type that is no text": '{"type": ["step"], "data": {}}',
    "no type": "{}",
    "data that is a list": '{"type": "reset", "data": []}',
    "another key": '{"type": "reset", "data": {}, "id": 1}',
    "an action that is a number": '{"type": "step", "data": {"text": 3}}',
    "no action": '{"type": "step", "data": {}}',
    "another field of the action": '{"type": "step", "data": {"text": "a", "run": "b"}}',
    "metadata that is text": '{"type": "step", "data": {"text": "a", "metadata": "b"}}',
    "half a character": '{"type": "step", "data": {"text": "\\ud800"}}',
    "half a character as a key": '{"type": "reset", "data": {"\\udfff": 1}}',
    "a long integer": '{"type": "reset", "data": {"seed": ' + "9" * 5000 + "}}",
    "a zero byte": "\0",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_message_is_one_sentence_and_the_session_goes_on(text: str) -> None:
    inner = Inner()
    sent = session(Guard(inner, limits=Limits(MOST)), text, STEP)
    (said,) = errors(sent)
    assert is_one_sentence(said)
    assert inner.received == [STEP]


def test_a_binary_frame_is_not_read() -> None:
    inner = Inner()
    sent = session(Guard(inner), {"type": "websocket.receive", "bytes": b"\x80\x04"}, STEP)
    assert errors(sent) == ["A message is text: binary frames are not read."]
    assert inner.received == [STEP]


CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
WRONG_CALLS = [
    {},
    {"jsonrpc": "2.0"},
    {**CALL, "jsonrpc": "1.0"},
    {**CALL, "method": 3},
    {**CALL, "method": "a\nb"},
    {**CALL, "method": "x" * 5000},
    {**CALL, "params": [1]},
    {**CALL, "params": {"session_id": "a\nb"}},
    {**CALL, "id": {"a": 1}},
    {**CALL, "id": True},
    {**CALL, "more": 1},
]


@pytest.mark.parametrize("call", [*WRONG_CALLS, [], [CALL], 3, "x", None])
def test_a_call_that_is_none_is_one_sentence_in_jsonrpc(call: Any) -> None:
    inner = Inner()
    status, said = request(Guard(inner), json.dumps(call).encode(), path="/mcp")
    answer = json.loads(said)
    assert (status, answer["jsonrpc"], answer["id"], answer["error"]["code"]) == (200, "2.0", None, -32600)
    assert is_one_sentence(answer["error"]["message"])
    assert not inner.bodies


@pytest.mark.parametrize("call", WRONG_CALLS)
def test_a_wrong_call_in_a_session_is_one_sentence_and_the_session_goes_on(call: Any) -> None:
    inner = Inner()
    right = json.dumps({"type": "mcp", "data": CALL})
    (said,) = errors(session(Guard(inner), json.dumps({"type": "mcp", "data": call}), right))
    assert is_one_sentence(said)
    assert inner.received == [right]


@pytest.mark.parametrize("kind", ["state", "close"])
def test_a_message_without_data_has_none(kind: str) -> None:
    inner = Inner()
    right = json.dumps({"type": kind})
    (said,) = errors(session(Guard(inner), json.dumps({"type": kind, "data": {"a": 1}}), right))
    assert is_one_sentence(said)
    assert inner.received == [right]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5000])
def test_a_call_that_cannot_be_read_is_told_in_jsonrpc(body: bytes) -> None:
    status, said = request(Guard(Inner()), body, path="/mcp")
    assert (status, json.loads(said)["error"]["code"]) == (400, -32700)
    assert is_one_sentence(json.loads(said)["error"]["message"])


@pytest.mark.parametrize("action", [{}, {"text": 3}, {"text": "a", "more": 1}, {"text": "a", "metadata": 3}])
@pytest.mark.parametrize("path", ["/step", "/Sokoban/step"])
def test_a_request_with_a_wrong_action_is_one_sentence(action: Any, path: str) -> None:
    inner = Inner()
    status, said = request(Guard(inner), json.dumps({"action": action}).encode(), path=path)
    assert status == 422
    assert is_one_sentence(json.loads(said)["detail"])
    assert not inner.bodies


@pytest.mark.parametrize("body", [json.dumps(CALL).encode(), b""])
def test_a_right_call_is_passed_on(body: bytes) -> None:
    inner = Inner()
    assert request(Guard(inner), body, path="/mcp") == (200, "fine")
    assert inner.bodies == [body]


@given(st.text(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_whatever_comes_is_passed_on_whole_or_refused_in_a_sentence(text: str) -> None:
    found = refusal(text, MOST)
    assert found is None or is_one_sentence(found.sentence)
    if found is None:
        assert json.loads(text)["type"] in ("reset", "step", "state", "close", "mcp")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.dictionaries(st.text(max_size=5), st.integers()))
def test_every_action_that_is_a_text_passes(action: str, metadata: dict[str, int]) -> None:
    message = {"type": "step", "data": {"text": action, "metadata": metadata}}
    assert refusal(json.dumps(message), 10**7) is None
    assert refusal(json.dumps(message, ensure_ascii=False), 10**7) is None


@pytest.mark.parametrize("token", ["", " ", "\t\n"])
def test_a_token_of_nothing_is_refused(token: str) -> None:
    with pytest.raises(CreditGymError, match="The token is empty"):
        Guard(Inner(), token=token)


def test_messages_that_come_too_fast_are_refused_one_by_one() -> None:
    inner = Inner()
    sent = session(Guard(inner, limits=Limits(per_second=3.0)), *[STEP] * 10)
    assert errors(sent) == ["More than 3 messages a second: wait for each answer."] * 7
    assert len(inner.received) == 3


def test_a_session_that_says_nothing_is_ended_and_told_so() -> None:
    sent: list[Any] = []
    waiting = [{"type": "websocket.connect"}]

    async def receive() -> Any:
        return waiting.pop() if waiting else await asyncio.Event().wait()

    async def send(event: Any) -> None:
        sent.append(event)

    guard = Guard(Inner(), limits=Limits(idle=0.01))
    asyncio.run(guard({"type": "websocket", "path": "/ws", "headers": []}, receive, send))
    assert errors(sent) == ["The session was idle for 0.01 s and has ended: connect again."]
    assert sent[-1] == {"type": "websocket.close", "code": 1001}


TOKEN = "s3cret-of-many-letters"
RIGHT, WRONG = [(b"authorization", f"Bearer {TOKEN}".encode())], [(b"authorization", b"Bearer other")]


@pytest.mark.parametrize("headers", [(), WRONG, [(b"authorization", TOKEN.encode())]])
def test_without_the_token_nobody_comes_in_and_nothing_repeats_it(headers: Any) -> None:
    inner = Inner()
    guard = Guard(inner, token=TOKEN)
    start, body = session(guard, STEP, headers=headers)
    assert start == {"type": "websocket.http.response.start", "status": 401, "headers": start["headers"]}
    status, said = request(guard, b"{}", headers=headers)
    assert status == 401
    assert is_one_sentence(json.loads(said)["detail"])
    assert TOKEN not in said + body["body"].decode()
    assert inner.received == inner.bodies == []


def test_with_the_token_everything_comes_in_and_health_needs_none() -> None:
    inner = Inner()
    guard = Guard(inner, token=TOKEN)
    assert errors(session(guard, STEP, headers=RIGHT)) == []
    assert inner.received == [STEP]
    assert request(guard, b"{}", headers=RIGHT) == (200, "fine")
    assert request(guard, path="/health") == (200, "fine")


def test_a_web_page_is_not_served_without_a_token() -> None:
    page = [(b"origin", b"http://evil.example")]
    assert session(Guard(Inner()), STEP, headers=page)[0]["status"] == 403
    assert request(Guard(Inner()), b"{}", headers=page)[0] == 403
    assert request(Guard(Inner(), token=TOKEN), b"{}", headers=[*page, *RIGHT])[0] == 200


def test_sessions_are_played_at_one_path() -> None:
    assert session(Guard(Inner()), STEP, path="/mcp")[0]["status"] == 404
    assert errors(session(Guard(Inner()), STEP, path="/ALFWorld/ws")) == []


def test_a_body_is_passed_on_whole_and_one_that_is_too_large_or_too_deep_is_not() -> None:
    inner = Inner()
    guard = Guard(inner, limits=Limits(MOST))
    assert request(guard, b'{"se', b'ed": 1}') == (200, "fine")
    assert inner.bodies == [b'{"seed": 1}']
    for parts, status in (((b"x" * 6000,) * 2, 413), ((b"[" * 5000,), 400), ((b"\xff\xfe",), 400), ((b"{,}",), 400)):
        answered, said = request(guard, *parts)
        assert answered == status
        assert is_one_sentence(json.loads(said)["detail"])
    assert len(inner.bodies) == 1


def test_what_the_application_raises_after_its_client_left_is_nobody_s_business() -> None:
    async def writing_to_nobody(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        raise RuntimeError("cannot send once closed")

    assert session(Guard(writing_to_nobody)) == []

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        session(Guard(broken))
