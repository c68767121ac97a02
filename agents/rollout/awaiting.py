"""An async agent is awaited: many seats on one event loop, each playing one episode after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from credit_gym.agents.core import AsyncAgent, Context
from credit_gym.agents.rollout.run_state import Run, discard
from credit_gym.agents.rollout.threads import Put
from credit_gym.agents.rollout.turns import go_on

T = TypeVar("T")


async def serve_async(run: Run, workers: int, put: Put) -> None:
    """Play the episodes of a run, some at a time, and put each where the caller finds it."""
    loop, everything = asyncio.get_running_loop(), asyncio.current_task()
    assert everything is not None

    def cancel() -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nothing left to cancel
            loop.call_soon_threadsafe(everything.cancel)

    run.cancel = cancel
    if run.blocking:
        run.close()  # the first environment was made in another thread than the one that would step it
    with ThreadPoolExecutor(1) as maker:
        await asyncio.gather(*(_seat(run, put, maker) for _ in range(workers)))


async def _seat(run: Run, put: Put, maker: ThreadPoolExecutor) -> None:
    """Play one episode after another in an environment of its own, made on a thread: even where steps are short."""
    agent, env = run.agent, None
    assert isinstance(agent, AsyncAgent)
    with ThreadPoolExecutor(1) as thread:  # it starts when it is first needed
        call = partial(_call, thread if run.blocking else None)
        try:
            for number in iter(run.next, None):
                if env is None:
                    env = await _call(thread if run.blocking else maker, run.take)
                turns = run.turns(env, number)
                moment = await call(go_on, turns, None)
                while isinstance(moment, Context):
                    moment = await call(go_on, turns, await _awaited(agent, moment))
                put((number, run.checked(moment)))
                if moment.error is not None:
                    await call(discard, env)
                    env = None
        finally:
            if env is not None:
                await call(env.close if run.blocking else partial(run.give_back, env))


async def _call(thread: ThreadPoolExecutor | None, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function on a thread, or here where there is none."""
    if thread is None:
        return function(*arguments)
    return await asyncio.get_running_loop().run_in_executor(thread, function, *arguments)


async def _awaited(agent: AsyncAgent, context: Context) -> str | Exception:
    try:
        return await agent.act_async(context)
    except Exception as error:  # noqa: BLE001 - it ends its episode and is recorded there
        return error
