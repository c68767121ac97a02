"""RecordEpisodes: keep what was played."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym

from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.wrappers.recorder import Recorder

Sink = Callable[[Episode], object]
"""Whatever takes completed episodes: a list's ``append``, ``functools.partial(store.add_episode, run_id)``."""


class RecordEpisodes(gym.Wrapper[str, str, str, str], gym.utils.RecordConstructorArgs):
    """Records every completed episode: in memory, to a sink, and in ``info["episode"]`` of its last step.

    An episode in which something went wrong is kept too, with the reason in its ``error``: a value that no record can
    hold (:class:`~credit_gym.wrappers.recorder.Recorder`) ends the record, not the play; an exception of the
    environment ends both, and is raised when the record is safe.

    Episodes are numbered from 0. Those of one task among ``group_size`` consecutive ones form a group. An episode that
    is left by an early ``reset`` is dropped.

    Gymnasium's wrappers that end an episode (``TimeLimit``) belong inside this one, those that begin the next
    (``Autoreset``) outside; ``RecordEpisodeStatistics`` needs another ``stats_key``, since it writes the same one.

    Args:
        env: the environment.
        sink: called with each completed episode; where the wrapper is rebuilt from its spec there is none.
        group_size: episodes per group.
        keep: how many of the last episodes stay in memory, None for all.
        agent_id: who plays.
    """

    def __init__(
        self,
        env: gym.Env[str, str],
        sink: Sink | None = None,
        *,
        group_size: int = 1,
        keep: int | None = None,
        agent_id: str = "",
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, group_size=group_size, keep=keep, agent_id=agent_id)
        gym.Wrapper.__init__(self, env)
        self._recorder = Recorder.of(env)
        self._archive = Archive(sink, group_size, keep, agent_id)

    @property
    def episodes(self) -> list[Episode]:
        """The episodes in memory, oldest first."""
        return list(self._archive.episodes)

    @property
    def group_size(self) -> int:
        """Episodes per group."""
        return self._archive.group_size

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Reset the environment and begin a record."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._recorder.start(observation, info, seed=seed)
        return observation, info

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment; at the end of the episode ``info["episode"]`` is its record."""
        if not self._recorder.recording:
            raise gym.error.ResetNeeded("The episode is over: call reset() before the next step.")
        try:
            observation, reward, terminated, truncated, info = result = self.env.step(action)
        except gym.error.Error:  # the call was wrong, and nothing happened
            raise
        except Exception as error:
            self._archive.add(self._recorder, error=f"{type(error).__name__}: {error}")
            raise
        self._recorder.add(action, observation, reward, info, terminated=terminated, truncated=truncated)
        if terminated or truncated:
            episode = self._archive.add(self._recorder)
            if isinstance(info, dict):  # else it is what went wrong
                info["episode"] = episode
        return result


class Archive:
    """Completed episodes, numbered and grouped as they end: what the single and the vector wrapper share.

    Args:
        sink: called with each episode.
        group_size: episodes of one task among this many consecutive ones form a group.
        keep: how many of the last episodes stay in memory, None for all.
        agent_id: who plays.
    """

    def __init__(self, sink: Sink | None, group_size: int, keep: int | None, agent_id: str) -> None:
        if group_size < 1:
            raise CreditGymError(f"group_size must be at least 1, not {group_size}.")
        self.episodes: deque[Episode] = deque(maxlen=keep)
        self.group_size = group_size
        self._sink = sink
        self._agent_id = agent_id
        self._count = 0

    def add(self, recorder: Recorder, *, error: str | None = None) -> Episode:
        """Finish the episode that a recorder holds, keep it and return it."""
        episode = recorder.finish(
            episode_id=str(self._count),
            group_id=f"{recorder.task_id}/{self._count // self.group_size}",
            agent_id=self._agent_id,
            error=error,
        )
        self._count += 1
        self.episodes.append(episode)
        if self._sink is not None:
            self._sink(episode)
        return episode
