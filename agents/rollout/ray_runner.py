"""Play episodes in worker processes, on this machine or on a cluster, with Ray.

The episodes are those that :func:`credit_gym.agents.rollout.runner.run_episodes` plays, to the byte: an episode depends
on nothing but its number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TypeAlias

from credit_gym.agents.core import Player
from credit_gym.agents.rollout.ray_tasks import Work, Workers, cluster, map_chunks
from credit_gym.agents.rollout.run_state import Run, episode_id, stop_reason
from credit_gym.agents.rollout.runner import collect, missing_numbers, open_agent, play_numbers, usual_workers
from credit_gym.agents.rollout.threads import Played, Results
from credit_gym.agents.rollout.turns import MakeEnv
from credit_gym.data.episode import Episode
from credit_gym.wrappers.record_episodes import Sink
from credit_gym.wrappers.recorder import Recorder

MakeAgent: TypeAlias = Callable[[], Player]


def run_on_ray(
    make_env: MakeEnv,
    make_agent: MakeAgent,
    *,
    agent_id: str,
    episodes: int,
    seed: int,
    group_size: int = 1,
    workers: Workers,
    chunk: int = 16,
    sink: Sink | None = None,
    progress: bool | None = None,
    resume_done: Collection[str] = frozenset(),
    blocking: bool | None = None,
    returned: bool = True,
) -> list[Episode]:
    """Play episodes and return their records; see :func:`credit_gym.agents.rollout.runner.run_episodes`.

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
        workers: who plays.
        chunk: episodes per chunk; a language model plays them at the same time.
        sink: called with each episode as its chunk arrives, always from the calling thread.
        progress: whether to show a progress bar.
        resume_done: ids of episodes that are not to be played again.
        blocking: whether the environment waits for something.
        returned: whether the episodes are returned.

    Returns:
        The episodes played now, in the order of their numbers.

    Raises:
        MissingExtraError: Ray is not installed.
        CreditGymError: as in :func:`credit_gym.agents.rollout.runner.run_episodes`.
    """
    wanted = missing_numbers(episodes, seed, group_size, min(workers.count, chunk), resume_done)
    job = partial(episode_job, make_env, make_agent, seed, group_size, blocking)
    chunks = deque[Sequence[int]](wanted[start : start + chunk] for start in range(0, len(wanted), chunk))

    def lost(number: int, error: Exception) -> Played:
        """The record of an episode whose worker died whenever it was played."""
        with closing(make_env()) as env:
            return number, Recorder.of(env).finish(
                episode_id=episode_id(seed, number),
                group_id=f"{seed}-g{number // group_size}",
                agent_id=agent_id,
                error=f"{type(error).__name__}: the process that played this episode died every time",
            )

    def arriving() -> Results:
        for played in map_chunks(ray, job, chunks, workers, lost=lost):
            yield from played
            if stop_reason(episode for _, episode in played) is not None:
                chunks.clear()

    with cluster(workers) as ray:
        return collect(arriving(), len(wanted), sink, progress, returned=returned)


@contextmanager
def episode_job(
    make_env: MakeEnv, make_agent: MakeAgent, seed: int, group_size: int, blocking: bool | None
) -> Iterator[Work[int, Played]]:
    """In a worker: plays chunks of episodes; the agent and the environments are kept from chunk to chunk."""
    with (
        open_agent(make_agent()) as agent,
        closing(Run(make_env, agent, seed=seed, group_size=group_size, blocking=blocking)) as run,
    ):
        yield lambda numbers: list(play_numbers(run, numbers, usual_workers(agent)))
