"""Sessions of a server of environments that are cut off, that never end, that come a thousand at once."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from credit_gym.baselines.stress.launching import check_said, launch
from credit_gym.baselines.stress.trial import Outcome, Skipped, expect

SESSIONS = 8
_RESET = json.dumps({"type": "reset", "data": {"seed": 1}})
_STEP = json.dumps({"type": "step", "data": {"text": "look"}})
_PATIENCE = 30.0  # seconds for an answer, and until places are free again


def cut_off(rng: random.Random, folder: Path) -> Outcome:
    """Leave a hundred sessions at drawn moments, by the book or by a reset of the connection."""
    with _server(folder) as url:
        for _ in range(10):
            asyncio.run(_together([_left(url, rng.randrange(4), rng.random() < 0.5) for _ in range(10)]))
        _check_places(url)
    return Outcome("100 sessions left, every place free again")


def never_end(rng: random.Random, folder: Path) -> Outcome:
    """Take every place and say nothing more: the places are free after the time that a session may be idle."""
    steps = rng.randrange(3)

    async def wait(url: str) -> None:
        silent = [await _opened(url) for _ in range(SESSIONS)]
        for session in silent:
            for message in (_RESET, *[_STEP] * steps):
                await _asked(session, message)
        await _until_places(url)
        said = await _asked(silent[0], _STEP)
        expect("idle" in said, "wrong", f"a session that was ended hears {said[:200]}")
        for session in silent:
            session.transport.abort()

    with _server(folder, "--session-timeout", "1") as url:
        asyncio.run(wait(url))
        _check_places(url)
    return Outcome(f"{SESSIONS} silent sessions after {steps} steps")


def come_at_once(rng: random.Random, folder: Path) -> Outcome:
    """Open a thousand sessions at once: each plays or is refused, and none waits."""
    with _server(folder) as url:
        heard = Counter(asyncio.run(_together([_first_word(url) for _ in range(1000)])))
        expect(heard["hang"] == 0, "hang", f"{heard['hang']} of 1,000 heard nothing")
        expect(heard["observation"] > 0, "wrong", f"nobody could play: {dict(heard)}")
        _check_places(url)
    return Outcome(", ".join(f"{count} {word}" for word, count in sorted(heard.items())))


@contextmanager
def _server(folder: Path, *options: str) -> Iterator[str]:
    """A server in a process of its own, which SIGTERM must end without a word."""
    if find_spec("openenv") is None:
        raise Skipped("openenv is not installed: pip install 'credit-gym[openenv]'")
    game = ("--env", "credit/Stochastic-v0", "--sessions", str(SESSIONS))
    server = launch(folder, "serve", *game, "--port", "0", *options)
    try:
        yield f"ws{server.first_line().partition(': http')[2]}/ws"
        server.send(signal.SIGTERM)
        ended = server.ended(_PATIENCE)
        check_said(ended, (0,))
        expect(not ended.err, "wrong", ended.said)
    finally:
        if not server.over:
            server.killed()


def _check_places(url: str) -> None:
    """Refuse a server that has fewer places than it was given, or more."""
    asyncio.run(_until_places(url))


async def _until_places(url: str) -> None:
    places, loop = 0, asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE
    while places < SESSIONS:
        expect(loop.time() < deadline, "leaked", f"{places} of {SESSIONS} places are free")
        sessions = [await _opened(url) for _ in range(SESSIONS)]
        places = sum(["observation" in await _asked(session, _RESET) for session in sessions])
        for session in sessions:
            await session.close()


async def _left(url: str, messages: int, rudely: bool) -> None:
    session = await _opened(url)
    for message in [_RESET, _STEP, _STEP][:messages]:
        await _asked(session, message)
    if rudely:
        session.transport.abort()
    else:
        await session.close()


async def _first_word(url: str) -> str:
    from websockets.exceptions import InvalidStatus

    try:
        session = await _opened(url)
    except InvalidStatus as refused:
        return f"status {refused.response.status_code}"
    except (OSError, EOFError):
        return "closed door"
    except TimeoutError:
        return "hang"
    heard = await _asked(session, _RESET)
    await session.close()
    return str(json.loads(heard)["type"]) if heard else "closed door"


async def _opened(url: str) -> Any:
    from websockets.asyncio.client import connect

    return await connect(url, proxy=None, open_timeout=_PATIENCE, close_timeout=_PATIENCE)


async def _asked(session: Any, message: str) -> str:
    """What is said to a message; empty where the connection is closed first."""
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        await session.send(message)
    with suppress(ConnectionClosed):
        return str(await asyncio.wait_for(session.recv(), _PATIENCE))
    return ""


async def _together(plays: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    return list(await asyncio.gather(*plays))


SERVED: dict[str, Callable[[random.Random, Path], Outcome]] = {
    "cut off": cut_off,
    "that never end": never_end,
    "a thousand at once": come_at_once,
}
"""What is done to sessions."""
