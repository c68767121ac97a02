"""Language models by name: ``openai:MODEL@URL``, ``anthropic:MODEL``, ``hf:FOLDER``, ``vllm:FOLDER``."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, TypeGuard

from credit_gym.agents.llm.completion import AsyncBackend, BatchBackend
from credit_gym.agents.llm.fields import check_fields
from credit_gym.agents.llm.prices import Price, known_price
from credit_gym.agents.llm.prompting import Prompting, prompting_from, prompting_record
from credit_gym.errors import CreditGymError, unknown

Backend: TypeAlias = AsyncBackend | BatchBackend


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a language model is asked; agents that are none have no use for it.

    ``timeout``, ``retries``, ``rpm``, ``tpm``, ``concurrency`` and ``cache`` are for models behind a server.

    Attributes:
        prompting: how contexts become chats and replies actions.
        timeout: seconds within which a request must be answered.
        retries: most repetitions of a request that failed in a way that may pass.
        rpm: most requests a minute, None for no limit.
        tpm: most tokens a minute, None for no limit.
        concurrency: most requests at a time.
        max_cost: most dollars that the agent may spend in its lifetime, None for no cap.
        max_tokens: most tokens, prompts included, that the agent may spend in its lifetime, None for no cap.
        price: dollars per million tokens of prompts and of answers, None for the list price of a known model.
        cache: folder of answers that are not to be asked for again, None for no cache.
        trust_remote_code: run code that comes with a model's folder.

    Raises:
        CreditGymError: a value that makes no sense.
    """

    prompting: Prompting = field(default_factory=Prompting)
    timeout: float = 120.0
    retries: int = 5
    rpm: float | None = None
    tpm: float | None = None
    concurrency: int = 256
    max_cost: float | None = None
    max_tokens: float | None = None
    price: Price | None = None
    cache: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for name in ("timeout", "rpm", "tpm", "max_cost", "max_tokens"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise CreditGymError(f"{name} must be a number above 0, not {value!r}.")
        for name, least in (("concurrency", 1), ("retries", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise CreditGymError(f"{name} must be a whole number, {least} or more, not {value!r}.")
        if type(self.trust_remote_code) is not bool:
            raise CreditGymError("trust_remote_code must be true or false.")
        if self.price is not None and not (
            len(self.price) == 2 and all(_is_number(part) and part >= 0 for part in self.price)
        ):
            raise CreditGymError("price must be two numbers: dollars per million tokens of prompts and of answers.")


def parse_backend(spec: str, settings: Settings | None = None) -> Backend:
    """Build the language model that a spec names.

    A server is asked through a response cache (if asked for), retries, a budget and a rate limit, in that order: what
    comes from the cache costs nothing, and every repetition counts.

    Args:
        spec: ``kind:argument``; the kinds are the keys of :data:`BACKENDS`.
        settings: how it is asked.

    Raises:
        UnknownNameError: there is no backend of that kind.
        MissingExtraError: its package is not installed.
        CreditGymError: the argument or the settings do not fit it.
    """
    kind, _, argument = spec.partition(":")
    if kind not in BACKENDS:
        raise unknown("language model backend", kind, BACKENDS)
    return BACKENDS[kind](argument, settings or Settings())


def is_server(backend: Backend) -> TypeGuard[AsyncBackend]:
    """Return whether a backend is awaited."""
    return inspect.iscoroutinefunction(backend.complete)


def settings_record(settings: Settings) -> dict[str, Any]:
    """Return settings as plain data, for a run's configuration; there is no key in them."""
    return {**asdict(settings), "prompting": prompting_record(settings.prompting)}


def settings_from(record: Mapping[str, Any]) -> Settings:
    """Return the settings that :func:`settings_record` wrote.

    Raises:
        CreditGymError: a field does not exist or its value does not fit.
    """
    check_fields("setting", record, Settings)
    given = dict(record)
    if "prompting" in given:
        given["prompting"] = prompting_from(given["prompting"])
    if given.get("price") is not None:
        given["price"] = Price(*given["price"])
    return Settings(**given)


def _openai(argument: str, settings: Settings) -> AsyncBackend:
    from credit_gym.agents.llm.openai import OpenAIBackend

    return _polite(OpenAIBackend(argument, timeout=settings.timeout), settings)


def _anthropic(argument: str, settings: Settings) -> AsyncBackend:
    from credit_gym.agents.llm.anthropic import AnthropicBackend

    return _polite(AnthropicBackend(argument, timeout=settings.timeout), settings)


def _hf(argument: str, settings: Settings) -> BatchBackend:
    folder = _folder("hf", argument)
    from credit_gym.agents.llm.hf import HuggingFaceBackend

    return _capped(HuggingFaceBackend(folder, trust_remote_code=settings.trust_remote_code), settings)


def _vllm(argument: str, settings: Settings) -> BatchBackend:
    folder = _folder("vllm", argument)
    from credit_gym.agents.llm.vllm import VLLMBackend

    return _capped(VLLMBackend(folder, trust_remote_code=settings.trust_remote_code), settings)


def _polite(client: AsyncBackend, settings: Settings) -> AsyncBackend:
    """The client behind everything that keeps it within the provider's limits and the user's."""
    from credit_gym.agents.llm.budget import Budget, Budgeted
    from credit_gym.agents.llm.rate_limit import Limited
    from credit_gym.agents.llm.response_cache import Cached
    from credit_gym.agents.llm.retry import Retrying

    price = settings.price or known_price(client.name)
    if settings.max_cost is not None and price is None:
        raise CreditGymError(
            f"The price of {client.name} is not known, so max_cost cannot hold: give its price, or cap max_tokens."
        )
    limited = Limited(
        client, concurrency=settings.concurrency, requests_per_minute=settings.rpm, tokens_per_minute=settings.tpm
    )
    backend = Retrying(Budgeted(limited, Budget(settings.max_cost, settings.max_tokens), price), settings.retries)
    return backend if settings.cache is None else Cached(backend, settings.cache)


def _capped(model: BatchBackend, settings: Settings) -> BatchBackend:
    """A model in this process costs no dollars; its tokens may be capped."""
    from credit_gym.agents.llm.budget import Budget, BudgetedBatch

    return model if settings.max_tokens is None else BudgetedBatch(model, Budget(max_tokens=settings.max_tokens))


def _folder(kind: str, argument: str) -> str:
    if not argument:
        raise CreditGymError(f"Write {kind}:FOLDER with the folder of a saved model.")
    return argument


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


BACKENDS: dict[str, Callable[[str, Settings], Backend]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "hf": _hf,
    "vllm": _vllm,
}
