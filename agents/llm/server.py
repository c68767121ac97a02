"""A model's server and what goes wrong with it: every failure becomes one sentence, and none of them holds a key."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any

from credit_gym.agents.llm.address import read_address
from credit_gym.agents.llm.cleaning import without
from credit_gym.data.foreign_text import DEEPEST, read_json
from credit_gym.errors import BackendError, CreditGymError

UNREADABLE = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""What reading a JSON value raises that is not what it should be."""

_RETRYABLE = frozenset({408, 409, 425, 429})
_OVERFLOW = re.compile(
    r"context.length|context.window|maximum context|max_model_len|prompt is too long|too many (total )?tokens", re.I
)
_SPENT = re.compile(r"insufficient_quota|credit balance is too low|billing", re.I)
_ANY_KEY = re.compile(r"\bsk-[\w-]{8,}")
_NO_KEY = "none"  # what a server at a given URL is sent where the environment holds no key
QUOTED = 300  # characters of a server's own words in a sentence


class ServerError(BackendError):
    """A server did not answer a request.

    Attributes:
        retryable: whether the same request may succeed later.
        retry_after: seconds that the server asked to wait, None if it did not say.
        billable: whether the server may have charged for the request.
        status: the HTTP status of its answer, None if there was none.
        said: its own words, shortened.
    """

    retryable = False
    retry_after: float | None = None
    billable = False
    status: int | None = None
    said = ""

    @classmethod
    def of(cls, sentence: str, **attributes: Any) -> ServerError:
        """Return the error with some of its attributes."""
        error = cls(sentence)  # the sentence alone is an argument, so that the error can be pickled
        vars(error).update(attributes)
        return error


@dataclass(frozen=True, slots=True)
class Server:
    """Where a model is served.

    Attributes:
        protocol: ``openai`` or ``anthropic``, as specs write it.
        model: the model's name on the server.
        url: the base URL, None for the provider's own.
        key: what authenticates; never shown.
        key_variable: the environment variable that holds the key.
        timeout: seconds within which a request must be answered.
    """

    protocol: str
    model: str
    url: str | None
    key: str = field(repr=False)
    key_variable: str
    timeout: float

    @classmethod
    def parse(cls, protocol: str, argument: str, *, key_variable: str, timeout: float) -> Server:
        """Return the server that ``MODEL`` or ``MODEL@URL`` names; the key comes from the environment.

        Without a key in the environment, a server at a given URL is sent the word ``none``.

        Raises:
            CreditGymError: the model or the key is missing, or the URL cannot be one.
        """
        model, url = read_address(protocol, argument)
        key = os.environ.get(key_variable, "").strip() or (_NO_KEY if url else "")
        if not key:
            raise CreditGymError(
                f"{protocol}:{model} needs a key: set {key_variable} in the environment, or name a server of your own "
                f"as {protocol}:{model}@URL."
            )
        if not (key.isascii() and key.isprintable()):
            raise CreditGymError(f"{key_variable} holds characters that no key has; copy the key again.")
        return cls(protocol, model, url, key, key_variable, timeout)

    @property
    def name(self) -> str:
        """The spec that names it."""
        return f"{self.protocol}:{self.model}" + (f"@{self.url}" if self.url else "")

    def clean(self, text: str) -> str:
        """Return a text of the server without the key and without lone surrogates, which no file can hold."""
        shown = text if self.key == _NO_KEY else without(self.key, text)
        return shown.encode("utf-8", "replace").decode("utf-8")

    def clean_value(self, value: Any, levels: int) -> Any:
        """Return a JSON value with every text in it clean, the names of its fields too.

        Raises:
            RecursionError: it has more levels.
        """
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, (Mapping, list)) and not levels:
            raise RecursionError
        if isinstance(value, Mapping):
            return {self.clean(str(key)): self.clean_value(each, levels - 1) for key, each in value.items()}
        return [self.clean_value(each, levels - 1) for each in value] if isinstance(value, list) else value

    def malformed(self, what: str) -> ServerError:
        """Return the error for an answer of the right status that cannot be read."""
        return ServerError.of(
            f"{self.name} answered with {what}: check that the URL speaks the {self.protocol} protocol.",
            retryable=True,
            billable=True,
            status=200,
        )


async def exchange(server: Server, sdk: ModuleType, call: Awaitable[bytes]) -> Any:
    """Return the JSON that a server answers to one call of its SDK.

    Args:
        server: whom the call asks.
        sdk: the module ``openai`` or ``anthropic``, whose errors are of one make.
        call: the call, asking for the body as it is: what an SDK makes of one, it does not check.

    Returns:
        The body, every text in it clean; whoever joins or decodes parts of it cleans them again.

    Raises:
        ServerError: anything else happened.
    """
    try:
        async with asyncio.timeout(server.timeout):
            content = await call
    except sdk.APIStatusError as error:
        failure = _status_failure(server, error.status_code, error.response.headers, error.response.text)
    except (sdk.APITimeoutError, TimeoutError):
        failure = ServerError.of(
            f"{server.name} did not answer within {server.timeout:g} seconds: raise the timeout or lower concurrency.",
            retryable=True,
            billable=True,
        )
    except sdk.APIConnectionError as error:
        cause = error.__cause__
        failure = cause if isinstance(cause, ServerError) else _connection_failure(server, error)
    except sdk.APIError:
        failure = server.malformed("an error that cannot be read")
    except UnicodeEncodeError:
        failure = ServerError.of(f"The chat for {server.name} holds lone surrogates: mend the environment's text.")
    else:
        return _json(server, content)
    raise failure  # outside the handlers: the SDK's error holds the request with its key


def _json(server: Server, content: bytes) -> Any:
    try:
        return server.clean_value(read_json(content, long_integer=str), DEEPEST)
    except (ValueError, RecursionError):
        raise server.malformed("something that is not JSON, or is too deep") from None


def _status_failure(server: Server, status: int, headers: Mapping[str, str], text: str) -> ServerError:
    """The sentence for an answer whose status says that something is wrong."""
    said = _said(server, text)
    advice = _advice(server, status, said)
    spent = status in (402, 403, 429) and _SPENT.search(said) is not None
    wish = headers.get("x-should-retry")
    retryable = wish == "true" or (wish != "false" and (status in _RETRYABLE or status >= 500))
    return ServerError.of(
        f"{server.name} answered {status}: {advice}" + (f" It said: {said}" if said else ""),
        retryable=retryable and not spent,
        retry_after=_retry_after(headers),
        status=status,
        said=said,
    )


def _advice(server: Server, status: int, said: str) -> str:
    if status in (400, 413, 422) and _OVERFLOW.search(said):
        return "the chat is longer than the model's context; show fewer history_turns or lower max_tokens."
    if status in (402, 403, 429) and _SPENT.search(said):
        return "the account's quota is used up; add credit or use another key."
    return _ADVICE.get(status, _ADVICE[500] if status >= 500 else "it refused the request.").format(server)


_ADVICE = {
    401: "it refused the key; set {0.key_variable}.",
    403: "the key may not use this model; use another model or another key.",
    404: "it knows no such model or path; check the model's name and the URL.",
    429: "too many requests; lower the requests or tokens per minute.",
    500: "the server failed; try again later.",
}


def _connection_failure(server: Server, error: Exception) -> ServerError:
    where = server.url or f"the {server.protocol} API"
    causes = {type(cause).__name__ for cause in (error.__cause__, error.__context__)}
    if causes & {"ConnectError", "ConnectTimeout"}:
        return ServerError.of(f"No server answers at {where}: start it or mend the URL.", retryable=True)
    if causes & {"UnsupportedProtocol", "InvalidURL", "LocalProtocolError"}:
        return ServerError.of(f"No request can be sent to {where}: mend the URL or the key.")
    return ServerError.of(
        f"The connection to {where} broke before the answer was complete: check the server and try again.",
        retryable=True,
        billable=True,
    )


def _said(server: Server, text: str) -> str:
    """The server's own words: short, printable, without a key."""
    try:
        body = read_json(text)
        error = body["error"] if isinstance(body, dict) else body
        parts = [error.get("code"), error.get("message")] if isinstance(error, dict) else [error]
        text = ": ".join(str(part) for part in parts if part)
    except (ValueError, KeyError, RecursionError):
        pass
    words = " ".join(_ANY_KEY.sub("[key]", server.clean(text)).split())
    return "".join(character for character in words if character.isprintable())[:QUOTED]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``retry-after-ms`` or from ``Retry-After`` in seconds or as a date."""
    for header, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(header, "")) * scale
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)
