"""A model server with faults, on loopback: errors, resets, half replies, silence; no answer is lost or invented."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

from credit_gym.baselines.stress.jobs import RUNS, Job, Records, check_kept, recorded
from credit_gym.baselines.stress.launching import check_said, launch, wait_a_moment
from credit_gym.baselines.stress.trial import Outcome, Skipped, expect

KEY = "sk-planted-0123456789abcdef0123456789"
FAULTS = ("500", "503", "429", "reset", "half", "not json", "other json", "echo", "slow", "silent")
_SILENCE = 6.0  # seconds, longer than the command's own --timeout
_TIMEOUT = 2.0


class Server:
    """Answers chats in the OpenAI protocol, each request always alike; a share of the attempts meets a fault.

    Attributes:
        share: of the attempts that meet one.
        faults: which.
        port: where it listens.
    """

    def __init__(self, faults: tuple[str, ...], seed: int) -> None:
        self.share = 0.0
        self.faults = faults
        self.port = 0
        self._seed = seed
        self._attempts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes over one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"content-length: (\d+)", head, re.I)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if head.startswith("GET"):
            return await _send(writer, {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "us"}]})
        fault = self._fault(body)
        answer = _completion(json.loads(body))
        match fault:
            case "500" | "503" | "429":
                return await _send(writer, {"error": {"message": f"no {head}"}}, int(fault))
            case "reset":
                writer.transport.abort()
                return False
            case "half":
                await _send(writer, answer, cut=True)
                writer.transport.abort()
                return False
            case "not json":
                return await _send(writer, "<html>busy</html>")
            case "other json":
                return await _send(writer, {"choices": []})
            case "echo":
                return await _send(writer, {"error": {"message": head}})
            case "slow" | "silent":
                await asyncio.sleep(0.3 if fault == "slow" else _SILENCE)
        return await _send(writer, answer)

    def _fault(self, body: bytes) -> str:
        request = hashlib.sha256(body).hexdigest()
        self._attempts[request] += 1
        draw = random.Random(f"{self._seed} {request} {self._attempts[request]}")
        return draw.choice(self.faults) if draw.random() < self.share else ""


@contextmanager
def serving(server: Server) -> Iterator[None]:
    """Let a server answer on a port of loopback while the block runs."""
    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=256))
    server.port = listener.sockets[0].getsockname()[1]
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listener.close()
        loop.close()


def break_server(rng: random.Random, folder: Path) -> Outcome:
    """Play with a model behind a server with faults, kill the player perhaps, and make the rest up when it is well."""
    if find_spec("openai") is None:
        raise Skipped("openai is not installed: pip install 'credit-gym[openai]'")
    server = Server(tuple(rng.sample(FAULTS, rng.choice((1, 3, len(FAULTS))))), rng.randrange(2**32))
    with serving(server):
        model = f"openai:m@http://127.0.0.1:{server.port}/v1"
        asked = ("--timeout", str(_TIMEOUT), "--retries", "3", "--workers", "16")
        game = ("--env", "credit/Stochastic-v0", "--episodes", "12", "--group-size", "2", "--seed", "5")
        job = Job(("run", *game, "--agent", model, *asked), {}, ("run", *asked, "--resume"))
        variables = {"OPENAI_API_KEY": KEY, "CREDIT_GYM_STRESS": "1"}
        check_said(launch(folder, *job.begin(folder, "whole"), variables=variables).ended(), (0,))
        (whole_folder,) = (folder / "whole").iterdir()
        whole, name = recorded(whole_folder), whole_folder.name
        server.share = share = rng.choice((0.1, 0.3, 0.6))
        player = launch(folder, *job.begin(folder), variables=variables)
        if rng.random() < 0.3:
            player.first_line()
            wait_a_moment(rng, player, 3.0)
            player.killed()
        else:
            check_said(player.ended(), (0, 1, 2))
        after = recorded(folder / RUNS / name)
        good = {key: value for key, value in after.items() if "error=None" in value[1]}
        _check_answers(good, whole)
        server.share = 0.0
        check_said(launch(folder, *job.again(name), variables=variables).ended(), (0,))
        final = recorded(folder / RUNS / name)
        check_kept(good, final, final)
        _check_answers(final, whole)
        expect(final.keys() == whole.keys(), "lost", f"{len(final)} of {len(whole)} episodes after --resume")
    _check_key(folder)
    return Outcome(f"{share:.0%} of {', '.join(server.faults)}: {len(good)} of {len(whole)} at once")


def _check_answers(found: Records, whole: Records) -> None:
    """Refuse an episode in which something else was said than a server without faults says; what it cost may differ."""
    for name, (_, text) in found.items():
        same = name in whole and _played(text) == _played(whole[name][1])
        expect(same, "partial", f"{name} was answered otherwise than without faults")


def _played(episode: str) -> str:
    return re.sub(r"usage=\{[^}]*\}", "usage", episode)


def _check_key(folder: Path) -> None:
    """Refuse a file that holds the key, which the server echoed."""
    for file in folder.rglob("*"):
        if file.is_file():
            expect(KEY.encode() not in file.read_bytes(), "wrong", f"the key stands in {file.name}")


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    """One of the actions on offer, fixed by the chat."""
    chat = json.dumps([body["messages"], body.get("seed")])
    offered = re.findall(r"[A-Za-z][\w ]*", str(body["messages"][-1]["content"]).rpartition("You can ")[2]) or ["look"]
    text = offered[hashlib.sha256(chat.encode()).digest()[0] % len(offered)]
    message = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }


async def _send(writer: asyncio.StreamWriter, content: Any, status: int = 200, *, cut: bool = False) -> bool:
    """Send an answer, or half of it; return whether the connection goes on."""
    body = (content if isinstance(content, str) else json.dumps(content)).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    writer.write(head + (body[: len(body) // 2] if cut else body))
    await writer.drain()
    return not cut
