"""One game as a door plays it: begun by a row of somebody's data, moved by texts, recorded until it is over or left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym

from credit_gym.data.action_format import format_at, list_offered
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.registration import unknown_environment
from credit_gym.wrappers.record_verifier import RecordVerifier
from credit_gym.wrappers.recorder import Recorder

OVER = "The game is over."
"""What the last observation ends with."""


def open_game(env_id: str, **arguments: Any) -> gym.Env[str, str]:
    """Return an environment whose verifier is recorded.

    Raises:
        UnknownNameError: no environment has that id.
    """
    try:
        return RecordVerifier(gym.make(env_id, **arguments))
    except gym.error.UnregisteredEnv:
        raise unknown_environment(env_id) from None


class PlayedGame:
    """Plays one game after another.

    Args:
        env_id: id of the environment.
        arguments: of the environment.

    Attributes:
        info: what the environment last said beside its observation.
        over: whether nothing more can be done.
    """

    info: dict[str, Any]

    def __init__(self, env_id: str, **arguments: Any) -> None:
        self._env_id, self._arguments = env_id, arguments
        self._envs: dict[str | None, gym.Env[str, str]] = {}
        self._offered: tuple[str, ...] = ()
        self.over = True
        self.info = {}
        self._recorder: Recorder | None = None
        self._episode: Episode | None = None
        self._names = {"episode_id": "", "group_id": ""}

    def begin(
        self,
        *,
        seed: int | None = None,
        task: int | str | None = None,
        split: str | None = None,
        group: str = "",
        episode: str = "",
    ) -> str:
        """Begin a game; one that was under way is left.

        Args:
            seed: of the reset; None goes on with the environment's own randomness.
            task: number or id of the task; None lets the seed pick one.
            split: the split of tasks, where the environment has several; None takes that of the arguments.
            group: the episodes that this one will be compared with; by default those of its task.
            episode: id of the record.

        Returns:
            The goal and the first observation.
        """
        self.over, self._recorder, self._episode = True, None, None
        if split not in self._envs:
            own = {} if split is None else {"split": split}
            self._envs[split] = open_game(self._env_id, **{**self._arguments, **own})
        self._env = self._envs[split]
        observation, self.info = self._env.reset(seed=seed, options=None if task is None else {"task": task})
        self._recorder = Recorder.of(self._env)
        self._recorder.start(observation, self.info, seed=seed)
        self._names = {"episode_id": episode, "group_id": group or self._recorder.task_id}
        self.over, self._offered = False, ()
        return "\n\n".join(filter(None, (self._recorder.goal, self._shown(observation))))

    def play(self, action: str) -> str:
        """Do one thing and return what came of it.

        Raises:
            CreditGymError: the game is over, or has not begun.
        """
        if self.over or self._recorder is None:
            raise CreditGymError(f"{OVER} Do nothing more.")
        try:
            observation, reward, terminated, truncated, self.info = self._env.step(action)
        except Exception as error:
            self._end(error=f"{type(error).__name__}: {error}")
            raise
        self._recorder.add(action, observation, reward, self.info, terminated=terminated, truncated=truncated)
        if terminated or truncated:
            self._end()
            return f"{observation}\n\n{OVER}".strip()
        return self._shown(observation)

    @property
    def episode(self) -> Episode | None:
        """The record of the game; None where none began. To read it ends the game: what was left early is truncated."""
        if not self.over:
            self._end(left=True)
        return self._episode

    def close(self) -> None:
        """Close the environments."""
        for env in self._envs.values():
            env.close()

    def _shown(self, observation: str) -> str:
        """An observation, and what is on offer where that must be seen and is new."""
        form = format_at(self._env.unwrapped, self.info)
        offered = tuple(self.info.get("admissible_actions") or ())
        new, self._offered = offered != self._offered, offered
        listing = list_offered(form, offered, observation) if new and offered else ""
        return "\n\n".join(filter(None, (observation.removeprefix(form.result), listing)))

    def _end(self, *, error: str | None = None, left: bool = False) -> None:
        assert self._recorder is not None
        record = self._recorder.finish(**self._names, error=error)
        self._episode = replace(record, truncated=True) if left and record.error is None else record
        self.over = True
