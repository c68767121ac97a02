"""Models behind an OpenAI-compatible server: the provider itself, vLLM, and many more."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from typing import Any

from credit_gym.agents.llm.completion import MOST_ALTERNATIVES, Completion, Position, Request
from credit_gym.agents.llm.server import UNREADABLE, Server, ServerError, exchange, token_count
from credit_gym.errors import missing_extra

_PROVIDER = "https://api.openai.com/v1"  # said here, so that no variable can send the key and the chats elsewhere
_OPTIONAL = ("logprobs", "top_logprobs", "seed")  # some models refuse them; an answer without them is still an answer
_VLLM = {"return_token_ids": True, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""vLLM fills what is left out from the model's own generation config; a request's temperature is all there shall be."""


class OpenAIBackend:
    """A chat model behind an OpenAI-compatible server.

    Log-probabilities are recorded as the server reports them. A vLLM server, recognised by its list of models, also
    gives token ids and keeps to a request's choices; other servers would ignore that wish without a word, so they are
    not asked. The key comes from ``OPENAI_API_KEY``.

    Args:
        argument: ``MODEL`` or ``MODEL@URL``; the URL ends in ``/v1``.
        timeout: seconds within which a request must be answered.

    Raises:
        MissingExtraError: the openai package is not installed.
        CreditGymError: the model, the URL or the key is missing or wrong.
    """

    def __init__(self, argument: str, *, timeout: float = 120.0) -> None:
        try:
            import openai
        except ModuleNotFoundError:
            raise missing_extra("openai", "openai") from None
        self._sdk = openai
        self._server = Server.parse("openai", argument, key_variable="OPENAI_API_KEY", timeout=timeout)
        self._client = openai.AsyncOpenAI(
            api_key=self._server.key, base_url=self._server.url or _PROVIDER, timeout=timeout, max_retries=0
        )
        self._refused: frozenset[str] = frozenset()
        self._is_vllm: bool | None = None if self._server.url else False
        self._detection = asyncio.Lock()

    @property
    def name(self) -> str:
        """``openai:MODEL`` or ``openai:MODEL@URL``."""
        return self._server.name

    async def complete(self, request: Request, /) -> Completion:
        """Answer one request.

        Raises:
            ServerError: the server did not; the sentence says why.
        """
        if self._is_vllm is None:
            async with self._detection:  # the first request asks, the others wait for its answer
                if self._is_vllm is None:
                    self._is_vllm = await self._detect_vllm()
        parameters = self._parameters(request)
        try:
            body = await self._create(parameters)
        except ServerError as error:
            refused = {name for name in _OPTIONAL if name in parameters} & set(re.findall(r"\w+", error.said))
            if error.status not in (400, 403, 422) or not refused:
                raise
            self._refused |= refused
            body = await self._create(self._parameters(request))
        constrained = bool(self._is_vllm and request.choices)
        return _completion(self._server, body, constrained=constrained, ranked=request.top_logprobs > 0)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _create(self, parameters: Mapping[str, Any]) -> Any:
        return await exchange(
            self._server, self._sdk, self._client.post("/chat/completions", cast_to=bytes, body=parameters)
        )

    async def _detect_vllm(self) -> bool:
        try:
            listed = await exchange(self._server, self._sdk, self._client.get("/models", cast_to=bytes))
        except ServerError as error:
            if error.status in (None, 408, 429):
                raise
            return False
        models = listed.get("data") if isinstance(listed, dict) else None
        return any(isinstance(model, dict) and model.get("owned_by") == "vllm" for model in models or ())

    def _parameters(self, request: Request) -> dict[str, Any]:
        own: dict[str, Any] = dict(_VLLM) if self._is_vllm else {}
        if self._is_vllm and request.choices:
            own["structured_outputs"] = {"choice": list(request.choices)}
        messages = list(request.messages)
        if self._is_vllm and request.opening:
            messages.append({"role": "assistant", "content": request.opening})
            own |= {"continue_final_message": True, "add_generation_prompt": False}
        limit = "max_tokens" if self._server.url else "max_completion_tokens"  # newer models of the provider need this
        optional = {"logprobs": True, "seed": request.seed & 0x7FFFFFFF}  # 31 bits: every server can hold them
        if request.top_logprobs and "logprobs" not in self._refused:
            optional["top_logprobs"] = min(request.top_logprobs, MOST_ALTERNATIVES)
        return {
            "model": self._server.model,
            "messages": messages,
            "temperature": request.temperature,
            limit: request.max_tokens,
            **({"stop": list(request.stop)} if request.stop else {}),
            **{name: value for name, value in optional.items() if name not in self._refused},
            **own,
        }


def _completion(server: Server, body: Any, *, constrained: bool, ranked: bool) -> Completion:
    """The completion in the body of an answer, whatever a server may have put there."""
    try:
        if not body.get("choices"):
            said = f": {server.clean(str(body['error']))[:300]}" if body.get("error") else ""
            raise server.malformed(f"no choices{said}")
        choice = body["choices"][0]
        message = choice["message"]
        text, reason = message.get("content"), str(choice.get("finish_reason") or "stop")
        usage = body.get("usage") or {}
        if message.get("refusal") or reason == "content_filter":
            why = server.clean(str(message.get("refusal") or "its content filter stopped it"))[:300]
            raise ServerError.of(f"{server.name} declined to answer ({why}): change the prompt.", billable=True)
        if not text and reason == "length":
            raise ServerError.of(
                f"{server.name} used up its tokens before it wrote an answer: raise max_tokens of the prompting.",
                billable=True,
            )
        if not isinstance(text, str):
            raise server.malformed("no text")
        entries = (choice.get("logprobs") or {}).get("content") or ()
        logprobs = tuple(float(entry["logprob"]) for entry in entries)
        if not all(map(math.isfinite, logprobs)):
            raise server.malformed("log-probabilities that are not numbers")
        return Completion(
            text=server.clean(text),
            prompt_token_ids=_ids(body.get("prompt_token_ids")),
            token_ids=_ids(choice.get("token_ids")),
            logprobs=() if constrained else logprobs,  # under choices they are those among the allowed tokens only
            usage={name: token_count(usage[name]) for name in ("prompt_tokens", "completion_tokens") if usage},
            finish_reason=reason,
            constrained=constrained,
            positions=_positions(server, entries) if ranked and not constrained else (),
        )
    except UNREADABLE:
        raise server.malformed("something that is no chat completion") from None


def _positions(server: Server, entries: Any) -> tuple[Position, ...]:
    """Every token with the likeliest ones in its place; none if the server gave no such list."""
    found = tuple(
        Position(server.clean(str(entry["token"])), tuple(_ranked(server, entry.get("top_logprobs") or ())))
        for entry in entries
    )
    return found if any(position.alternatives for position in found) else ()


def _ranked(server: Server, alternatives: Any) -> list[tuple[str, float]]:
    found = [(server.clean(str(each["token"])), float(each["logprob"])) for each in alternatives]
    return sorted((each for each in found if math.isfinite(each[1])), key=lambda each: -each[1])


def _ids(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values or ())
