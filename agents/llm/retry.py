"""The one layer that retries: exponential backoff with full jitter, within the server's wishes and our patience."""

from __future__ import annotations

import asyncio

from credit_gym import rng
from credit_gym.agents.llm.completion import AsyncBackend, BackendWrapper, Completion, Request
from credit_gym.agents.llm.rate_limit import Sleep
from credit_gym.agents.llm.server import ServerError
from credit_gym.errors import missing_extra

try:
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
except ModuleNotFoundError:
    raise missing_extra("tenacity", "openai") from None


class Retrying(BackendWrapper):
    """Asks a backend again when it failed in a way that may pass.

    Before attempt k+1 it waits for a time drawn uniformly from [0, ``base`` * 2^(k-1)] seconds (full jitter: Brooker,
    2015, "Exponential Backoff and Jitter"), after the time that the server asked for if it did, and never longer than
    ``longest`` in all. The draw depends on the request's seed and on k.

    Args:
        backend: whom to ask.
        retries: most repetitions of one request.
        base: upper limit of the first wait, seconds.
        longest: upper limit of every wait, seconds.
        sleep: waits; another one for tests.
    """

    def __init__(
        self,
        backend: AsyncBackend,
        retries: int = 5,
        *,
        base: float = 0.5,
        longest: float = 60.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(backend)
        self._retries = retries
        self._base = base
        self._longest = longest
        self._sleep = sleep

    async def complete(self, request: Request, /) -> Completion:
        """Answer one request.

        Raises:
            ServerError: the last failure, when it will not pass or the attempts are used up.
        """

        def wait(state: RetryCallState) -> float:
            return self._wait(state, request.seed)

        attempts = AsyncRetrying(
            sleep=self._sleep,
            wait=wait,
            stop=stop_after_attempt(self._retries + 1),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        return await attempts(self.backend.complete, request)

    def _wait(self, state: RetryCallState, seed: int) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = getattr(failure, "retry_after", None) or 0.0
        share = rng.derive(seed, state.attempt_number) / 2.0**64
        jitter = share * min(self._base * 2.0 ** (state.attempt_number - 1), self._longest)
        return float(min(asked + jitter, self._longest))


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ServerError) and error.retryable
