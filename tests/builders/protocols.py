"""Both backends behind a server, asked over loopback: their answers, or the one error that an answer becomes."""

import asyncio
import traceback

from builders.model_servers import (
    KEY,
    Reply,
    anthropic_server,
    openai_server,
    serving,
)

from credit_gym.agents.llm.anthropic import AnthropicBackend
from credit_gym.agents.llm.completion import Request
from credit_gym.agents.llm.openai import OpenAIBackend
from credit_gym.agents.llm.server import ServerError

SYSTEM = {"role": "system", "content": "Play."}
USER = {"role": "user", "content": "You can sit, stand or run."}
REQUEST = Request(messages=(SYSTEM, USER), seed=2**64 - 1, max_tokens=7, temperature=0.5, stop=("###",))
PROTOCOLS = {
    "openai": (OpenAIBackend, openai_server, "/v1"),
    "anthropic": (AnthropicBackend, anthropic_server, ""),
}


def ask(backend, *requests):
    """The completions and failures of some requests at once."""

    async def run():
        try:
            return await asyncio.gather(*map(backend.complete, requests), return_exceptions=True)
        finally:
            await backend.close()

    return asyncio.run(run())


def ask_in_turn(backend, *requests):
    """The completions of some requests, one after the other."""

    async def run():
        try:
            return [await backend.complete(request) for request in requests]
        finally:
            await backend.close()

    return asyncio.run(run())


def ask_server(protocol, answer=None, *requests, timeout=5.0):
    """One backend's answers from a server, and the server."""
    kind, faithful, path = PROTOCOLS[protocol]
    with serving(answer or faithful) as server:
        backend = kind(f"m@{server.root}{path}", timeout=timeout)
        return ask(backend, *(requests or (REQUEST,))), server


def failure(protocol, reply, *, timeout=5.0):
    """The error that an answer becomes; a server that lists no models always fails so."""

    def answer(seen):
        return Reply("", 404) if seen.method == "GET" else reply

    (error,), server = ask_server(protocol, answer, timeout=timeout)
    assert isinstance(error, ServerError), error
    assert len(server.posts()) == 1, "the SDK retried"
    assert "\n" not in str(error)
    assert KEY not in "".join(traceback.format_exception(error))
    return error
