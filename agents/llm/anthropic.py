"""Models behind Anthropic's Messages API."""

from __future__ import annotations

from typing import Any

from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.server import UNREADABLE, Server, ServerError, exchange, token_count
from credit_gym.errors import missing_extra

_PROVIDER = "https://api.anthropic.com"  # said here, so that no variable can send the key and the chats elsewhere
_FINISH = {"max_tokens": "length", "end_turn": "stop", "stop_sequence": "stop"}
_TOKENS = {
    "prompt_tokens": ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
    "completion_tokens": ("output_tokens",),
}


class AnthropicBackend:
    """A model behind Anthropic's Messages API, which gives neither log-probabilities nor seeds nor constraints.

    The key comes from ``ANTHROPIC_API_KEY``.

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
            api_key=self._server.key, base_url=self._server.url or _PROVIDER, timeout=timeout, max_retries=0
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
        return _completion(self._server, await exchange(self._server, self._sdk, call), request.stop)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _parameters(model: str, request: Request) -> dict[str, Any]:
    """The parameters of a call: system messages apart, no empty message, and the temperature, unless it is the default.

    Newer models refuse every temperature but 1.
    """
    system = "\n\n".join(str(message["content"]) for message in request.messages if message["role"] == "system")
    chat = [
        {"role": message["role"], "content": message["content"] or "(nothing)"}
        for message in request.messages
        if message["role"] != "system"
    ]
    stop = [text for text in request.stop if text.strip()]  # the API refuses blank ones
    return {
        "model": model,
        "messages": chat,
        "max_tokens": request.max_tokens,
        **({"system": system} if system else {}),
        **({"stop_sequences": stop} if stop else {}),
        **({"temperature": request.temperature} if request.temperature != 1.0 else {}),
    }


def _completion(server: Server, body: Any, stop: tuple[str, ...]) -> Completion:
    """The completion in the body of an answer, whatever a server may have put there."""
    try:
        reason = str(body.get("stop_reason") or "end_turn")
        if reason == "refusal":
            raise ServerError.of(f"{server.name} declined to answer: change the prompt.", billable=True)
        texts = [block["text"] for block in body["content"] or () if block.get("type") == "text"]
        if not any(texts) and reason == "max_tokens":
            raise ServerError.of(
                f"{server.name} used up its tokens before it wrote an answer: raise max_tokens of the prompting.",
                billable=True,
            )
        if not texts:
            raise server.malformed("no text")
        text = server.clean("".join(texts))
        for ending in stop:
            text = text.partition(ending)[0]  # for those that the API does not take
        usage = body.get("usage") or {}
        return Completion(
            text=text,
            usage={
                name: sum(token_count(usage.get(part) or 0) for part in parts)
                for name, parts in _TOKENS.items()
                if usage
            },
            finish_reason=_FINISH.get(reason, reason),
        )
    except UNREADABLE:
        raise server.malformed("something that is no message") from None
