"""An event loop in a thread of its own: connections live on one loop, whoever waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Running(NamedTuple):
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


class LoopThread:
    """Runs coroutines on one event loop in a daemon thread, which starts with the first of them.

    The connections of a server's client belong to the loop that opened them. With all of them here, scripts may block
    on an answer, even inside another event loop, and a slow environment on the caller's loop delays no answer.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: _Running | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine and return its future; cancelling that cancels the coroutine. Safe from any thread."""
        with self._lock:
            if self._running is None:
                started: Future[_Running] = Future()
                Thread(target=asyncio.run, args=(_serve(started),), name="credit-gym-network", daemon=True).start()
                self._running = started.result()
            return asyncio.run_coroutine_threadsafe(coroutine, self._running.loop)

    def close(self) -> None:
        """Stop the loop and cancel what still runs on it; a later coroutine starts another."""
        with self._lock:
            if self._running is not None:
                self._running.loop.call_soon_threadsafe(self._running.stop.set)
                self._running = None


async def _serve(started: Future[_Running]) -> None:
    stop = asyncio.Event()
    started.set_result(_Running(asyncio.get_running_loop(), stop))
    await stop.wait()
