"""Caps on tokens and dollars that hold to the request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock

from credit_gym.agents.llm.completion import AsyncBackend, BackendWrapper, BatchBackend, Completion, Request
from credit_gym.agents.llm.prices import Price, total_tokens
from credit_gym.agents.llm.rate_limit import Sleep
from credit_gym.agents.llm.server import ServerError
from credit_gym.agents.llm.tool_chat import written
from credit_gym.errors import BudgetError

_TOKENS_PER_MESSAGE = 32  # of a chat template, generously; a token of text is never less than one byte
_POLL = 0.02  # seconds between two looks at a budget that is all reserved


class Budget:
    """What may be spent, what is spent, and what the requests in flight may still cost. Thread-safe.

    Args:
        max_cost: most dollars, None for no cap.
        max_tokens: most tokens of prompts and answers, None for no cap.

    Attributes:
        dollars: spent so far.
        tokens: spent so far.
    """

    def __init__(self, max_cost: float | None = None, max_tokens: float | None = None) -> None:
        self.max_cost = max_cost
        self.max_tokens = max_tokens
        self.dollars = 0.0
        self.tokens = 0.0
        self._reserved_dollars = 0.0
        self._reserved_tokens = 0.0
        self._in_flight = 0
        self._lock = Lock()

    def reserve(self, tokens: float, dollars: float) -> bool:
        """Set aside what a request may cost at worst; False if requests in flight must first say what they cost.

        Raises:
            BudgetError: it would not fit whatever they cost.
        """
        with self._lock:
            if self._fits(tokens, dollars, self._reserved_tokens, self._reserved_dollars):
                self._reserved_tokens += tokens
                self._reserved_dollars += dollars
                self._in_flight += 1
                return True
            if self._in_flight and self._fits(tokens, dollars, 0.0, 0.0):
                return False
            raise BudgetError(self._refusal(tokens, dollars))

    def settle(self, tokens: float, dollars: float, *, used_tokens: float, used_dollars: float) -> None:
        """Replace what :meth:`reserve` set aside by what the request used."""
        with self._lock:
            self._in_flight -= 1
            self._reserved_tokens = self._reserved_tokens - tokens if self._in_flight else 0.0  # no rounding survives
            self._reserved_dollars = self._reserved_dollars - dollars if self._in_flight else 0.0
            self.tokens += used_tokens
            self.dollars += used_dollars

    def _fits(self, tokens: float, dollars: float, reserved_tokens: float, reserved_dollars: float) -> bool:
        return (self.max_tokens is None or self.tokens + reserved_tokens + tokens <= self.max_tokens) and (
            self.max_cost is None or self.dollars + reserved_dollars + dollars <= self.max_cost
        )

    def _refusal(self, tokens: float, dollars: float) -> str:
        if self.max_tokens is not None and self.tokens + tokens > self.max_tokens:
            return (
                f"The cap of {self.max_tokens:g} tokens would not hold: {self.tokens:g} are spent and the next request "
                f"may take {tokens:g}; it was not sent. Raise max_tokens to go on."
            )
        return (
            f"The cap of ${self.max_cost:g} would not hold: ${self.dollars:.6g} are spent and the next request may "
            f"cost ${dollars:.6g}; it was not sent. Raise max_cost to go on."
        )


class Budgeted(BackendWrapper):
    """Sends a request to a server only if its worst case fits the budget, and adds its ``dollars`` to the usage.

    The worst case is every byte of the prompt a token, and all ``max_tokens`` of the answer. What a request used
    replaces it; where the server does not say, because it gives no usage or only a part of it, or failed after it may
    have worked, the worst case stays spent. A request that the server refused costs nothing. While requests in flight
    hold the rest of the budget, the next one waits until it is known what they cost.

    Args:
        backend: whom to ask.
        budget: what may be spent.
        price: of the model's tokens, None if unknown; then a budget with ``max_cost`` is of no use.
        sleep: waits; another one for tests.
    """

    def __init__(
        self, backend: AsyncBackend, budget: Budget, price: Price | None = None, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        super().__init__(backend)
        self.budget = budget
        self._price = price
        self._sleep = sleep

    async def complete(self, request: Request, /) -> Completion:
        """Answer one request.

        Raises:
            BudgetError: a cap would not hold; nothing was sent.
            BackendError: the backend failed.
        """
        worst = _worst_usage(request)
        tokens, dollars = total_tokens(worst), self._dollars(worst)
        while not self.budget.reserve(tokens, dollars):
            await self._sleep(_POLL)
        used: Mapping[str, float] = worst  # what an interrupted request used is not known
        try:
            completion = await self.backend.complete(request)
            used = {**worst, **completion.usage}
        except ServerError as error:
            used = worst if error.billable else {}
            raise
        finally:
            self.budget.settle(tokens, dollars, used_tokens=total_tokens(used), used_dollars=self._dollars(used))
        if self._price is None:
            return completion
        return replace(completion, usage={**completion.usage, "dollars": self._dollars(used)})

    def _dollars(self, usage: Mapping[str, float]) -> float:
        return 0.0 if self._price is None else self._price.dollars(usage)


class BudgetedBatch:
    """The cap on tokens for a model in this process, whose tokens cost nothing: a batch is sent whole or not at all.

    Args:
        backend: whom to ask.
        budget: what may be spent.
    """

    def __init__(self, backend: BatchBackend, budget: Budget) -> None:
        self.backend = backend
        self.budget = budget

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    def complete(self, requests: Sequence[Request], /) -> Sequence[Completion]:
        """Answer each request, in order.

        Raises:
            BudgetError: the cap would not hold; nothing was asked.
        """
        worst = [_worst_usage(request) for request in requests]
        tokens = sum(map(total_tokens, worst))
        while not self.budget.reserve(tokens, 0.0):
            time.sleep(_POLL)
        used = 0.0
        try:
            completions = self.backend.complete(requests)
            used = sum(total_tokens({**most, **got.usage}) for got, most in zip(completions, worst, strict=True))
        finally:
            self.budget.settle(tokens, 0.0, used_tokens=used, used_dollars=0.0)
        return completions


def _worst_usage(request: Request) -> dict[str, float]:
    prompt = len(written(request).encode("utf-8", "replace")) + _TOKENS_PER_MESSAGE * (len(request.messages) + 1)
    return {"prompt_tokens": float(prompt), "completion_tokens": float(request.max_tokens)}
