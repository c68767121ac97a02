"""Models behind Anthropic's Messages API."""

from __future__ import annotations

from typing import Any

from credit_gym.agents.llm.anthropic_answer import read_answer
from credit_gym.agents.llm.anthropic_chat import chat_messages, system_text, tool_descriptions
from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.redirects import faithful_client
from credit_gym.agents.llm.server import Server, exchange
from credit_gym.errors import missing_extra

_PROVIDER = "https://api.anthropic.com"  # said here, so that no variable can send the key and the chats elsewhere


class AnthropicBackend:
    """A model behind Anthropic's Messages API, which gives neither log-probabilities nor seeds nor constraints.

    Tools go out as they are and calls come back as such, one a reply. The key comes from ``ANTHROPIC_API_KEY``.

    Args:
        argument: ``MODEL`` or ``MODEL@URL``; the URL does not end in ``/v1``.
        timeout: seconds within which a request must be answered.

    Raises:
        MissingExtraError: the anthropic package is not installed.
        CreditGymError: the model, the URL or the key is missing or wrong.
    """

    def __init__(self, argument: str, *, timeout: float = 120.0) -> None:
        try:
            import anthropic
        except ModuleNotFoundError:
            raise missing_extra("anthropic", "anthropic") from None
        self._sdk = anthropic
        self._server = Server.parse("anthropic", argument, key_variable="ANTHROPIC_API_KEY", timeout=timeout)
        self._client = anthropic.AsyncAnthropic(
            api_key=self._server.key,
            base_url=self._server.url or _PROVIDER,
            timeout=timeout,
            max_retries=0,
            http_client=faithful_client(self._server, anthropic),
        )

    @property
    def name(self) -> str:
        """``anthropic:MODEL`` or ``anthropic:MODEL@URL``."""
        return self._server.name

    async def complete(self, request: Request, /) -> Completion:
        """Answer one request.

        Raises:
            ServerError: the server did not; the sentence says why.
        """
        call = self._client.post("/v1/messages", cast_to=bytes, body=_parameters(self._server.model, request))
        return read_answer(self._server, request, await exchange(self._server, self._sdk, call))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _parameters(model: str, request: Request) -> dict[str, Any]:
    """The parameters of a call; the temperature only where it is not the default: newer models refuse any but 1."""
    system = system_text(request.messages)
    stop = [text for text in request.stop if text.strip()]  # the API refuses blank ones
    return {
        "model": model,
        "messages": chat_messages(request.messages),
        "max_tokens": request.max_tokens,
        **({"system": system} if system.strip() else {}),
        **({"stop_sequences": stop} if stop else {}),
        **({"temperature": request.temperature} if request.temperature != 1.0 else {}),
        **(_tools(request) if request.tools else {}),
    }


def _tools(request: Request) -> dict[str, Any]:
    one_at_a_time = {"type": "auto", "disable_parallel_tool_use": True}  # a step of an episode is one call
    return {"tools": tool_descriptions(request.tools), "tool_choice": one_at_a_time}
