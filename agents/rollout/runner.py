"""Play many episodes: concurrently, continuously, and the same ones whatever the number of workers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, TypeVar

import gymnasium as gym

from credit_gym.agents.core import Agent, AsyncAgent, Player
from credit_gym.agents.rollout.awaiting import serve_async
from credit_gym.agents.rollout.batching import Batched
from credit_gym.agents.rollout.progress_bar import episode_progress
from credit_gym.agents.rollout.run_state import Run, episode_id
from credit_gym.agents.rollout.threads import Results, concurrently, drive, one_by_one, serve
from credit_gym.agents.rollout.turns import MakeEnv, episode_turns
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.wrappers.record_episodes import Sink

P = TypeVar("P", Agent, AsyncAgent, Player)


def run_episodes(
    make_env: MakeEnv,
    agent: Player,
    *,
    episodes: int,
    seed: int,
    group_size: int = 1,
    workers: int = 1,
    sink: Sink | None = None,
    progress: bool | None = None,
    resume_done: Collection[str] = frozenset(),
    blocking: bool | None = None,
    returned: bool = True,
) -> list[Episode]:
    """Play episodes and return their records.

    Episode i has the seed ``rng.derive(seed, i)`` and the id ``"{seed}-{i}"``. Episodes ``k * group_size`` to
    ``(k + 1) * group_size - 1`` form group k: they play one task, each with its own random stream. Where the
    environment has a ``num_tasks``, group k plays task ``k % num_tasks``; elsewhere the episode's seed fixes the task,
    which only groups of one allow. An agent sees nothing but contexts, so the records do not depend on ``workers``.

    An ordinary agent is called on ``workers`` threads. An :class:`~credit_gym.agents.core.AsyncAgent` is awaited by
    ``workers`` tasks of one event loop, hundreds if need be; the loop has a thread of its own, so this function may be
    called inside another loop. The agent stays open: whoever made it closes it.

    An episode during which the environment or the agent raises is data too: its record holds the steps so far and
    the error, its environment is replaced, and the run goes on. After a :class:`~credit_gym.errors.BudgetError` no
    episode is begun any more; those in play go on until they end or meet the cap themselves
    (:func:`credit_gym.agents.rollout.run_state.stop_reason`). Interrupting the run leaves every episode that the
    sink has seen.

    Args:
        make_env: builds one environment; called once per worker, and again after a failure.
        agent: who plays; an ordinary one must be thread-safe if there are several workers (see
            :class:`credit_gym.agents.rollout.batching.Batched`).
        episodes: number of episodes of the whole run.
        seed: fixes every episode.
        group_size: episodes per task.
        workers: episodes in play at the same time.
        sink: called with each episode as it ends, always from the calling thread.
        progress: whether to show a progress bar; None shows it only on a terminal.
        resume_done: ids of episodes that an earlier run completed; they are not played again.
        blocking: whether ``reset`` and ``step`` wait for something (a process, a server, a judge). Beside an async
            agent such an environment gets a thread of its own, in which it is made, stepped and closed; others are
            stepped on the event loop. None asks the environment, which says so by an attribute ``blocking``.
        returned: whether the episodes are returned; a long run whose sink keeps them need not hold them too.

    Returns:
        The episodes played now, in the order of their numbers; fewer than were asked for if the budget ran out.

    Raises:
        CreditGymError: ``group_size`` is above 1 and the environment has no ``num_tasks``, or a count is too small.
    """
    if not callable(make_env) or not isinstance(agent, (Agent, AsyncAgent)):
        raise CreditGymError("run_episodes(make_env, agent) needs a function that makes an environment, and an agent.")
    wanted = missing_numbers(episodes, seed, group_size, workers, resume_done)
    with closing(Run(make_env, agent, seed=seed, group_size=group_size, blocking=blocking)) as run:
        return collect(play_numbers(run, wanted, workers), len(wanted), sink, progress, returned=returned)


def play_episode(
    env: gym.Env[str, str],
    agent: Agent,
    *,
    seed: int,
    episode_id: str,
    group_id: str,
    options: dict[str, Any] | None = None,
) -> Episode:
    """Play one episode from its reset; an exception ends it and is recorded in its ``error``.

    Args:
        env: the environment.
        agent: who plays.
        seed: seed of the reset and of the agent's draws.
        episode_id: id of the record.
        group_id: group of the record.
        options: options of the reset.
    """
    turns = episode_turns(
        env, agent_id=agent.name, seed=seed, episode_id=episode_id, group_id=group_id, options=options
    )
    return drive(turns, agent)


def missing_numbers(episodes: int, seed: int, group_size: int, workers: int, done: Collection[str]) -> list[int]:
    """Return the numbers of the episodes of a run that are still to be played.

    Raises:
        CreditGymError: a count is too small.
    """
    if episodes < 0 or group_size < 1 or workers < 1:
        raise CreditGymError("episodes must be at least 0, group_size and workers at least 1.")
    return [number for number in range(episodes) if episode_id(seed, number) not in done]


def play_numbers(run: Run, wanted: Sequence[int], workers: int) -> Results:
    """Play episodes and yield them with their numbers as they end; may be called again when it is exhausted."""
    run.begin(wanted)
    workers = min(workers, len(wanted))
    if isinstance(run.agent, AsyncAgent):
        return concurrently(run, [lambda put: asyncio.run(serve_async(run, workers, put))][:workers])
    return concurrently(run, [partial(serve, run)] * workers) if workers > 1 else one_by_one(run)


def collect(
    results: Results, total: int, sink: Sink | None, progress: bool | None, *, returned: bool = True
) -> list[Episode]:
    """Hand episodes on as they end, and return them, if they are to be, in the order of their numbers."""
    played: dict[int, Episode] = {}
    with episode_progress(total, visible=progress) as advance, closing(results):
        for number, episode in results:
            if sink is not None:
                sink(episode)
            if returned:
                played[number] = episode
            advance(episode)
    return [played[number] for number in sorted(played)]


@contextmanager
def open_agent(agent: P) -> Iterator[P]:
    """Give out an agent and close it afterwards; not to be used inside an event loop."""
    try:
        yield agent
    finally:
        if isinstance(agent, AsyncAgent):
            asyncio.run(agent.close())


def usual_workers(agent: Player) -> int:
    """Return how many episodes to play at the same time where nobody said."""
    if isinstance(agent, AsyncAgent):
        return 64
    return 32 if isinstance(agent, Batched) else 1
