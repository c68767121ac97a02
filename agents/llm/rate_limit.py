"""Pacing: at most so many requests and tokens a minute, and so many requests at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from threading import Lock
from typing import TypeAlias

from credit_gym.agents.llm.completion import AsyncBackend, BackendWrapper, Completion, Request
from credit_gym.agents.llm.prices import total_tokens
from credit_gym.agents.llm.tool_chat import written

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
"""Waits for some seconds; tests pass one that takes no time."""

_CHARACTERS_PER_TOKEN = 4  # of English text; the provider's count replaces the guess once it is known


class Pace:
    """A token bucket that holds one: what is taken now delays what is taken next, so no minute sees a burst.

    Args:
        per_minute: units a minute.
        clock: seconds from any origin.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_per_unit = 60.0 / per_minute
        self._clock = clock
        self._free_at = clock()
        self._lock = Lock()

    def take(self, units: float) -> float:
        """Take units and return the seconds to wait before using them; thread-safe."""
        with self._lock:
            now = self._clock()
            start = max(now, self._free_at)
            self._free_at = start + units * self._seconds_per_unit
            return start - now

    def correct(self, units: float) -> None:
        """Take some more, or give some back if negative, now that the true count is known."""
        with self._lock:
            self._free_at += units * self._seconds_per_unit


class Limited(BackendWrapper):
    """Asks a backend no faster than its provider allows.

    Args:
        backend: whom to ask.
        concurrency: most requests at a time.
        requests_per_minute: None for no limit.
        tokens_per_minute: tokens of prompts and answers, None for no limit; a request counts with its prompt's length
            and its ``max_tokens`` until its usage is known.
        clock: seconds from any origin.
        sleep: waits; another one for tests.
    """

    def __init__(
        self,
        backend: AsyncBackend,
        *,
        concurrency: int = 256,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(backend)
        self._slots = asyncio.Semaphore(concurrency)
        self._requests = None if requests_per_minute is None else Pace(requests_per_minute, clock)
        self._tokens = None if tokens_per_minute is None else Pace(tokens_per_minute, clock)
        self._sleep = sleep

    async def complete(self, request: Request, /) -> Completion:
        """Answer one request when its turn has come."""
        expected = _expected_tokens(request)
        async with self._slots:
            waits = [pace.take(units) for pace, units in ((self._requests, 1.0), (self._tokens, expected)) if pace]
            if any(waits):
                await self._sleep(max(waits))
            completion = await self.backend.complete(request)
        if self._tokens is not None and {"prompt_tokens", "completion_tokens"} <= completion.usage.keys():
            self._tokens.correct(total_tokens(completion.usage) - expected)
        return completion


def _expected_tokens(request: Request) -> float:
    return len(written(request)) / _CHARACTERS_PER_TOKEN + request.max_tokens
