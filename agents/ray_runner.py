"""Play episodes in worker processes, on this machine or on a cluster, with Ray.

The episodes are those that :func:`credit_gym.agents.runner.run_episodes` plays, to the byte: an episode depends on
nothing but its number. Workers take chunks of numbers, at most two chunks a worker are under way, and a chunk comes
back whole through Ray's object store to the one process that writes; one that was lost with its worker is played
again. A worker that is killed therefore loses nothing and doubles nothing.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

from credit_gym.agents.runner import (
    MakeEnv,
    Player,
    Run,
    collect,
    episode_id,
    missing_numbers,
    stop_reason,
    usual_workers,
)
from credit_gym.episode import Episode
from credit_gym.errors import missing_extra
from credit_gym.wrappers.episodes import Sink
from credit_gym.wrappers.recorder import Recorder

MakeAgent: TypeAlias = Callable[[], Player]

_CHUNKS_PER_WORKER = 2  # one is played while the next one waits beside it
_RETRIES = 1  # of a chunk whose worker died, before its episodes are tried one by one


@dataclass(frozen=True)
class _Plan:
    """What a worker must know to play any episode of a run."""

    key: str
    make_env: MakeEnv
    make_agent: MakeAgent
    agent_id: str
    seed: int
    group_size: int
    blocking: bool | None


def run_on_ray(
    make_env: MakeEnv,
    make_agent: MakeAgent,
    *,
    agent_id: str,
    episodes: int,
    seed: int,
    group_size: int = 1,
    workers: int = 2,
    chunk: int = 16,
    sink: Sink | None = None,
    progress: bool | None = None,
    resume_done: Collection[str] = frozenset(),
    blocking: bool | None = None,
) -> list[Episode]:
    """Play episodes and return their records; see :func:`credit_gym.agents.runner.run_episodes`.

    A Ray that is running (initialised by the caller, or named by ``RAY_ADDRESS``) is used, else one is started here
    for the run. An episode that keeps killing its worker is recorded as failed. Caps of an agent hold in each worker
    on its own.

    Args:
        make_env: builds one environment; both functions are sent to the workers.
        make_agent: builds the agent, once per worker.
        agent_id: the agent's name, for the record of an episode that no worker survives.
        episodes: number of episodes of the whole run.
        seed: fixes every episode.
        group_size: episodes per task.
        workers: chunks played at the same time; each takes one CPU of Ray's.
        chunk: episodes per chunk; a language model plays them at the same time.
        sink: called with each episode as its chunk arrives, always from the calling thread.
        progress: whether to show a progress bar.
        resume_done: ids of episodes that are not to be played again.
        blocking: whether the environment waits for something.

    Returns:
        The episodes played now, in the order of their numbers.

    Raises:
        MissingExtraError: Ray is not installed.
        CreditGymError: as in :func:`credit_gym.agents.runner.run_episodes`.
    """
    wanted = missing_numbers(episodes, seed, group_size, min(workers, chunk), resume_done)
    plan = _Plan(uuid4().hex, make_env, make_agent, agent_id, seed, group_size, blocking)
    chunks = deque[Sequence[int]](wanted[start : start + chunk] for start in range(0, len(wanted), chunk))
    with _ray(workers) as ray:
        return collect(_results(ray, plan, chunks, workers * _CHUNKS_PER_WORKER), len(wanted), sink, progress)


def _results(
    ray: Any, plan: _Plan, chunks: deque[Sequence[int]], limit: int
) -> Generator[tuple[int, Episode], None, None]:
    """Yield episodes as their chunks arrive, with no more than ``limit`` chunks under way."""
    play = ray.remote(num_cpus=1, max_retries=_RETRIES)(_play_chunk)
    shared = ray.put(plan)
    under_way: dict[Any, Sequence[int]] = {}
    try:
        while chunks or under_way:
            while chunks and len(under_way) < limit:
                numbers = chunks.popleft()
                under_way[play.remote(shared, numbers)] = numbers
            (ready, *_), _ = ray.wait(list(under_way))
            numbers = under_way.pop(ready)
            try:
                arrived = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:  # its worker died, again and again
                if len(numbers) > 1:
                    chunks.extendleft([number] for number in reversed(numbers))
                    continue
                arrived = [(numbers[0], _lost(plan, numbers[0], error))]
            yield from arrived
            if stop_reason(episode for _, episode in arrived) is not None:
                chunks.clear()
    finally:
        for ref in under_way:
            ray.cancel(ref, force=True)


_at_work: dict[str, tuple[Run, Player]] = {}
"""In a worker: the run that it plays for, its agent and environments kept from chunk to chunk."""


def _play_chunk(plan: _Plan, numbers: Sequence[int]) -> list[tuple[int, Episode]]:
    if plan.key not in _at_work:
        for run, _ in _at_work.values():
            run.close()
        _at_work.clear()
        agent = plan.make_agent()
        run = Run(plan.make_env, agent, seed=plan.seed, group_size=plan.group_size, blocking=plan.blocking)
        _at_work[plan.key] = run, agent
    run, agent = _at_work[plan.key]
    return list(run.results(numbers, usual_workers(agent)))


def _lost(plan: _Plan, number: int, error: Exception) -> Episode:
    """The record of an episode whose worker died whenever it was played."""
    env = plan.make_env()
    try:
        return Recorder.of(env).finish(
            episode_id=episode_id(plan.seed, number),
            group_id=f"{plan.seed}-g{number // plan.group_size}",
            agent_id=plan.agent_id,
            error=f"{type(error).__name__}: the process that played this episode died every time",
        )
    finally:
        env.close()


@contextmanager
def _ray(workers: int) -> Iterator[Any]:
    """Yield Ray, running; it is stopped afterwards if it was started here."""
    try:
        import ray
    except ImportError:
        raise missing_extra("ray", "ray") from None
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        yield ray
    finally:
        ray.shutdown()
