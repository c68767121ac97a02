"""Models behind an OpenAI-compatible server: the provider itself, vLLM, and many more."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Mapping
from typing import Any

from credit_gym.agents.llm.completion import MOST_ALTERNATIVES, Completion, Request
from credit_gym.agents.llm.openai_answer import read_answer
from credit_gym.agents.llm.redirects import faithful_client
from credit_gym.agents.llm.server import Server, ServerError, exchange
from credit_gym.agents.llm.tool_chat import in_words
from credit_gym.errors import missing_extra

_PROVIDER = "https://api.openai.com/v1"  # said here, so that no variable can send the key and the chats elsewhere
_OPTIONAL = {
    "logprobs": r"\blogprobs\b",
    "top_logprobs": r"\btop_logprobs\b",
    "seed": r"\bseed\b",
    "parallel_tool_calls": r"\bparallel_tool_calls\b",
    "tools": r"\b(tools?|tool_choice|functions?|function.?call(s|ing)?)\b",
}
"""What some models refuse, and how their servers name it; an answer without it is still an answer."""

_REFUSALS = frozenset({400, 403, 404, 422})
_UNABLE = re.compile(r"\b(supports?|supported|requires?)\b", re.I)  # as llama.cpp says it with status 500
_PATIENCE = 8  # chats answered by a server that cannot say what it is, until it is taken for no vLLM
_VLLM = {"return_token_ids": True, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""vLLM fills what is left out from the model's own generation config; a request's temperature is all there shall be."""


class OpenAIBackend:
    """A chat model behind an OpenAI-compatible server.

    Log-probabilities are recorded as the server reports them. A vLLM server, recognised by its list of models, also
    gives token ids and keeps to a request's choices; other servers would ignore that wish without a word, so they are
    not asked. A server that cannot list its models yet is asked again with the next chats. The key comes from
    ``OPENAI_API_KEY``.

    Tools go out as they are and calls come back as such, one a reply where the server can keep to that. A server that
    refuses them is asked without them, its chats told in words, and a warning says so once.

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
            api_key=self._server.key,
            base_url=self._server.url or _PROVIDER,
            timeout=timeout,
            max_retries=0,
            http_client=faithful_client(self._server, openai),
        )
        self._refused: frozenset[str] = frozenset()
        self._is_vllm: bool | None = None if self._server.url else False
        self._detection = asyncio.Lock()
        self._detections = 0
        self._answered_unknown = 0

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
            await self._detect()
        body = await self._answer(request)
        if self._is_vllm is None:
            self._answered_unknown += 1
        constrained = bool(self._is_vllm and request.choices)
        return read_answer(self._server, request, body, constrained=constrained)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _answer(self, request: Request) -> Any:
        """The body of the answer, asked for again without what the server refuses."""
        refused = self._refused
        while True:
            parameters = self._parameters(request, refused)
            try:
                body = await self._create(parameters)
            except ServerError as error:
                named = _named_in(error, parameters)
                if not named:
                    raise
                refused |= named - {"tools"} or named  # the least first: "no logprobs with tools" costs the logprobs
            else:
                break
        if "tools" in refused - self._refused:
            warnings.warn(f"{self.name} takes no tools, so they are left to the words of the prompting.", stacklevel=2)
        self._refused |= refused  # now that it is known to have been the reason
        return body

    async def _create(self, parameters: Mapping[str, Any]) -> Any:
        return await exchange(
            self._server, self._sdk, self._client.post("/chat/completions", cast_to=bytes, body=parameters)
        )

    async def _detect(self) -> None:
        """Find out whether it is vLLM; who waits while another one asks shares that answer."""
        seen = self._detections
        async with self._detection:
            if self._is_vllm is None and self._detections == seen:
                self._is_vllm = await self._lists_vllm()
                self._detections += 1

    async def _lists_vllm(self) -> bool | None:
        """Whether the list of models says so; None where it cannot be read for now, as while a model is loading."""
        given_up = self._answered_unknown >= _PATIENCE
        try:
            listed = await exchange(self._server, self._sdk, self._client.get("/models", cast_to=bytes))
        except ServerError as error:
            if error.status in (None, 408, 429):
                raise
            return False if given_up or not error.retryable else None
        models = listed.get("data") if isinstance(listed, dict) else None
        if isinstance(models, list) and models:
            return any(isinstance(model, dict) and model.get("owned_by") == "vllm" for model in models)
        return False if given_up else None

    def _parameters(self, request: Request, refused: frozenset[str]) -> dict[str, Any]:
        own: dict[str, Any] = dict(_VLLM) if self._is_vllm else {}
        if self._is_vllm and request.choices:
            own["structured_outputs"] = {"choice": list(request.choices)}
        messages = in_words(request.messages) if "tools" in refused else list(request.messages)
        if self._is_vllm and request.opening:
            messages.append({"role": "assistant", "content": request.opening})
            own |= {"continue_final_message": True, "add_generation_prompt": False}
        limit = "max_tokens" if self._server.url else "max_completion_tokens"  # newer models of the provider need this
        optional: dict[str, Any] = {"logprobs": True, "seed": request.seed & 0x7FFFFFFF}  # 31 bits: what all can hold
        if request.top_logprobs and "logprobs" not in refused:
            optional["top_logprobs"] = min(request.top_logprobs, MOST_ALTERNATIVES)
        if request.tools and "tools" not in refused:
            optional |= {"tools": list(request.tools), "parallel_tool_calls": False}  # a step of an episode is one call
        return {
            "model": self._server.model,
            "messages": messages,
            "temperature": request.temperature,
            limit: request.max_tokens,
            **({"stop": list(request.stop)} if request.stop else {}),
            **{name: value for name, value in optional.items() if name not in refused},
            **own,
        }


def _named_in(error: ServerError, parameters: Mapping[str, Any]) -> frozenset[str]:
    """The optional parameters of a call that an error names as its reason."""
    status = error.status or 0
    if status not in _REFUSALS and not (status >= 500 and _UNABLE.search(error.said)):
        return frozenset()
    return frozenset(
        name for name, named in _OPTIONAL.items() if name in parameters and re.search(named, error.said, re.I)
    )
