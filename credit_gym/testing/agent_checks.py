"""What an agent promises: one action a context, and an answer that depends on its own context and the seed alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.core import Agent, AsyncAgent, Context
from credit_gym.agents.rollout.turns import episode_turns

MakeAgent = Callable[[int], Agent | AsyncAgent]


def check_agent(make_agent: MakeAgent, contexts: Sequence[Context] | None = None, *, threads: int = 4) -> None:
    """Check that an agent keeps the protocol and that episodes played side by side do not touch each other.

    Args:
        make_agent: builds the agent from a seed, always alike.
        contexts: what it is asked; None takes :func:`sample_contexts` of ``credit/Stochastic-v0``.
        threads: how many threads ask at once.

    Raises:
        AssertionError: a promise is broken; the sentence says which.
    """
    asked = list(sample_contexts(lambda: gym.make("credit/Stochastic-v0")) if contexts is None else contexts)
    assert asked, "An agent is checked by what it answers: give at least one context."
    kept = deepcopy(asked)
    agent = _made(make_agent)
    assert isinstance(agent.name, str), "An agent's name must be text."
    assert agent.name, "An agent's name must not be empty."
    together = _answers(agent, asked)
    assert _answers(agent, []) == [], "No contexts must be answered with no actions."
    assert _answers(agent, asked) == together, "The same contexts must be answered alike every time."
    assert _answers(_made(make_agent), asked) == together, "Two agents of one seed must answer alike."
    alone = [action for context in asked for action in _answers(agent, [context])]
    assert alone == together, "An answer must not depend on the contexts beside it."
    backwards = _answers(agent, asked[::-1])[::-1]
    assert backwards == together, "An answer must not depend on the order of the contexts."
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda _: _answers(agent, asked), range(threads)))
    assert found == [together] * threads, f"{threads} threads that ask at once must get what one gets."
    assert asked == kept, "An agent must not change what it is shown."


def sample_contexts(
    make_env: Callable[[], gym.Env[str, str]], *, episodes: int = 6, steps: int = 4, seed: int = 0
) -> list[Context]:
    """Return what an agent sees while actions drawn from a seed are played.

    Args:
        make_env: builds the environment; it must offer actions.
        episodes: how many are played.
        steps: at most this many contexts of each.
        seed: fixes the episodes and the actions.

    Raises:
        AssertionError: an episode failed, offered no actions, or no episode asked for any.
    """
    env = make_env()
    contexts: list[Context] = []
    for number in range(episodes):
        own = rng.derive(seed, number)
        turns = episode_turns(env, agent_id="", seed=own, episode_id=str(number), group_id="")
        try:
            context = next(turns)
            for step in range(steps):
                contexts.append(context)
                offered = context.admissible_actions
                assert offered, "The sample environment must offer actions."
                context = turns.send(offered[rng.derive(own, step) % len(offered)])
        except StopIteration as end:
            failure = end.value.error
            assert not failure, f"The sample environment failed: {failure}"
        turns.close()
    env.close()
    assert contexts, "The sample environment ended every episode at its reset, so there are no contexts."
    return contexts


def _made(make_agent: MakeAgent) -> Agent | AsyncAgent:
    assert callable(make_agent), "Give a function that builds the agent from a seed, such as lambda seed: MyAgent()."
    try:
        agent = make_agent(0)
    except Exception as error:
        raise AssertionError(f"Building the agent from the seed 0 raised {error!r}.") from error
    kept = isinstance(agent, Agent | AsyncAgent)
    assert kept, "An agent must have a name and act(contexts), or act_async(context)."
    assert not isinstance(agent, type), f"An agent must be built, not its class {agent.__name__} handed over."
    return agent


def _answers(agent: Agent | AsyncAgent, contexts: Sequence[Context]) -> list[str]:
    try:
        found = list(agent.act(contexts)) if isinstance(agent, Agent) else asyncio.run(_awaited(agent, contexts))
    except Exception as error:
        raise AssertionError(f"The agent answered {len(contexts)} contexts with {error!r}.") from error
    assert len(found) == len(contexts), f"{len(contexts)} contexts must get as many actions, not {len(found)}."
    assert all(isinstance(action, str) for action in found), "An action must be text."
    return found


async def _awaited(agent: AsyncAgent, contexts: Sequence[Context]) -> list[str]:
    return list(await asyncio.gather(*map(agent.act_async, contexts)))
