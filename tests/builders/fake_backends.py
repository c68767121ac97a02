"""A backend without a server: it answers from a list."""

import asyncio

from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.server import ServerError

REQUEST = Request(messages=({"role": "user", "content": "x" * 36},), max_tokens=100)
PASSING = ServerError.of("It failed.", retryable=True)


class Fake:
    """Answers from a list of completions and errors, the last one for ever."""

    name = "fake:m"

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = []
        self.closed = False

    async def complete(self, request, /):
        self.asked.append(request)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        await asyncio.sleep(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def close(self):
        self.closed = True


def used(prompt=10.0, completion=5.0):
    return Completion(text="go", usage={"prompt_tokens": prompt, "completion_tokens": completion})


def together(backend, requests):
    async def run():
        return await asyncio.gather(*map(backend.complete, requests), return_exceptions=True)

    return asyncio.run(run())


def alone(backend, request=REQUEST):
    return asyncio.run(backend.complete(request))
