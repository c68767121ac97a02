"""Play many episodes: concurrently, continuously, and the same ones whatever the number of workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from threading import Event
from typing import Any

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.core import Agent, Context
from credit_gym.agents.progress import episode_progress
from credit_gym.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.wrappers.episodes import Sink
from credit_gym.wrappers.recorder import Recorder

MakeEnv = Callable[[], gym.Env[str, str]]


def run_episodes(
    make_env: MakeEnv,
    agent: Agent,
    *,
    episodes: int,
    seed: int,
    group_size: int = 1,
    workers: int = 1,
    sink: Sink | None = None,
    progress: bool | None = None,
    resume_done: Collection[str] = frozenset(),
) -> list[Episode]:
    """Play episodes and return their records.

    Episode i has the seed ``rng.derive(seed, i)`` and the id ``"{seed}-{i}"``. Episodes ``k * group_size`` to
    ``(k + 1) * group_size - 1`` form group k: they play one task, each with its own random stream. Where the
    environment has a ``num_tasks``, group k plays task ``k % num_tasks``; elsewhere the episode's seed fixes the task,
    which only groups of one allow. An agent sees nothing but contexts, so the records do not depend on ``workers``.

    An episode during which the environment or the agent raises is data too: its record holds the steps so far and
    the error, its environment is replaced, and the run goes on. Interrupting the run leaves every episode that the
    sink has seen.

    Args:
        make_env: builds one environment; called once per worker, and again after a failure.
        agent: who plays; with several workers its ``act`` must be thread-safe (see
            :class:`credit_gym.agents.batching.Batched`).
        episodes: number of episodes of the whole run.
        seed: fixes every episode.
        group_size: episodes per task.
        workers: episodes in play at the same time.
        sink: called with each episode as it ends, always from the calling thread.
        progress: whether to show a progress bar; None shows it only on a terminal.
        resume_done: ids of episodes that an earlier run completed; they are not played again.

    Returns:
        The episodes played now, in the order of their numbers.

    Raises:
        CreditGymError: ``group_size`` is above 1 and the environment has no ``num_tasks``, or a count is too small.
    """
    if episodes < 0 or group_size < 1 or workers < 1:
        raise CreditGymError("episodes must be at least 0, group_size and workers at least 1.")
    wanted = [number for number in range(episodes) if episode_id(seed, number) not in resume_done]
    played: dict[int, Episode] = {}
    with (
        closing(_Run(make_env, agent, seed, group_size)) as run,
        episode_progress(len(wanted), visible=progress) as advance,
        closing(run.results(wanted, workers)) as results,
    ):
        for number, episode in results:
            if sink is not None:
                sink(episode)
            played[number] = episode
            advance(episode)
    return [played[number] for number in wanted]


def episode_id(seed: int, number: int) -> str:
    """Return the id of an episode of a run, the same in every resumption."""
    return f"{seed}-{number}"


def play_episode(
    env: gym.Env[str, str],
    agent: Agent,
    *,
    seed: int,
    episode_id: str,
    group_id: str,
    options: dict[str, Any] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Episode:
    """Play one episode from its reset; an exception ends it and is recorded in its ``error``.

    Args:
        env: the environment.
        agent: who plays.
        seed: seed of the reset and of the agent's draws.
        episode_id: id of the record.
        group_id: group of the record.
        options: options of the reset.
        interrupted: asked before every step; True abandons the episode.
    """
    recorder = Recorder.of(env)
    terminated = truncated = success = False
    failure: str | None = None
    try:
        observation, info = env.reset(seed=seed, options=options)
        recorder.start(observation, info, seed=seed)
        goal = str(info.get("task", {}).get("goal", ""))
        history: tuple[tuple[str, str], ...] = ()
        while not (terminated or truncated):
            if interrupted():
                raise CreditGymError("The run was interrupted.")
            offered = tuple(info.get("admissible_actions", ()))
            (action,) = agent.act([Context(goal, observation, history, offered, info, len(history), seed)])
            history = (*history, (observation, str(action)))
            observation, reward, terminated, truncated, info = env.step(action)
            recorder.add(action, observation, reward, info)
        success = bool(info.get("success", False))
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the other episodes of the run must go on
        terminated = truncated = False
        failure = f"{type(error).__name__}: {error}"
    return recorder.finish(
        episode_id=episode_id,
        group_id=group_id,
        terminated=terminated,
        truncated=truncated,
        success=success,
        agent_id=agent.name,
        error=failure,
    )


class _Run:
    """What the episodes of one run share: its numbers, its agent, and the environments that are idle."""

    def __init__(self, make_env: MakeEnv, agent: Agent, seed: int, group_size: int) -> None:
        self._make_env = make_env
        self._agent = agent
        self._seed = seed
        self._group_size = group_size
        self._interrupted = Event()
        first = make_env()  # one that cannot be built must end the run, not fail every episode
        self._idle = deque([first])
        self._num_tasks = first.get_wrapper_attr("num_tasks") if first.has_wrapper_attr("num_tasks") else None
        if self._num_tasks is None and group_size > 1:
            raise CreditGymError(
                "The environment has no num_tasks, so a group cannot be given one task; use group_size=1."
            )

    def results(self, wanted: Sequence[int], workers: int) -> Generator[tuple[int, Episode], None, None]:
        """Yield the episodes as they end."""
        if workers == 1:
            yield from map(self._play, wanted)
            return
        pool = ThreadPoolExecutor(workers)
        try:
            for future in as_completed([pool.submit(self._play, number) for number in wanted]):
                yield future.result()
        finally:
            self._interrupted.set()
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Close the environments."""
        while self._idle:
            self._idle.pop().close()

    def _play(self, number: int) -> tuple[int, Episode]:
        try:
            env = self._idle.pop()  # a test before the pop would race with the other workers
        except IndexError:
            env = self._make_env()
        group = number // self._group_size
        episode = play_episode(
            env,
            self._agent,
            seed=rng.derive(self._seed, number),
            episode_id=episode_id(self._seed, number),
            group_id=f"{self._seed}-g{group}",
            options=None if self._num_tasks is None else {"task": group % self._num_tasks},
            interrupted=self._interrupted.is_set,
        )
        if episode.error is None:
            self._idle.append(env)
        else:
            with suppress(Exception):  # it is broken already, and its error is recorded
                env.close()
        return number, episode
