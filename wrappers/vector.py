"""RecordEpisodes and AssignCredit for vector environments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from credit_gym.data.episode import Episode
from credit_gym.data.grouping import IntArray
from credit_gym.envs.text_vector_env import seed_list
from credit_gym.errors import CreditGymError
from credit_gym.scorers import DEFAULT
from credit_gym.wrappers.assign_credit import Crediting, Scorers
from credit_gym.wrappers.record_episodes import Archive, Sink
from credit_gym.wrappers.recorder import Recorder

W = TypeVar("W", bound=VectorWrapper)

_StepResult = tuple[Any, Any, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


class RecordEpisodes(VectorWrapper):
    """Records every completed episode of n copies: in memory, to a sink, and in ``infos["episode"]``.

    ``infos["episode"]`` is an (n,) object array with the mask ``infos["_episode"]``. Episodes are numbered as they end,
    by copy where several end at once; those of one task among ``group_size`` consecutive ones form a group. The copies
    must speak text and reset themselves by the next step. What goes wrong costs an episode as it does in
    :class:`credit_gym.wrappers.record_episodes.RecordEpisodes`; an exception costs one of every copy.

    Args:
        env: the vector environment.
        sink: called with each completed episode.
        verifier: whether to record the verifier signal of the copies.
        group_size: episodes per group.
        keep: how many of the last episodes stay in memory, None for all.
        agent_id: who plays.

    Raises:
        CreditGymError: the environment resets its copies in another way.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        sink: Sink | None = None,
        *,
        verifier: bool = True,
        group_size: int = 1,
        keep: int | None = None,
        agent_id: str = "",
    ) -> None:
        super().__init__(env)
        if env.metadata.get("autoreset_mode") is not AutoresetMode.NEXT_STEP:
            raise CreditGymError("RecordEpisodes records vector environments with AutoresetMode.NEXT_STEP only.")
        env_id = type(env.unwrapped).__name__ if env.spec is None else env.spec.id
        self._recorders = [Recorder(env_id, verifier=verifier) for _ in range(env.num_envs)]
        self._archive = Archive(sink, group_size, keep, agent_id)

    @property
    def episodes(self) -> list[Episode]:
        """The episodes in memory, in the order in which they ended."""
        return list(self._archive.episodes)

    @property
    def group_size(self) -> int:
        """Episodes per group."""
        return self._archive.group_size

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | IntArray | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all copies and begin their records; seeds may be NumPy's."""
        seeds = seed_list(seed, self.num_envs)
        given: Any = seeds[0] if isinstance(seed, (int, np.integer)) else None if seed is None else seeds
        observations, infos = self.env.reset(seed=given, options=options)
        for recorder, observation, info, own in zip(
            self._recorders,
            observations,
            split_infos(infos, self.num_envs),
            seeds,
            strict=True,
        ):
            recorder.start(observation, info, seed=own)
        return observations, infos

    def step(self, actions: Sequence[str]) -> _StepResult:
        """Step all copies; those that ended have their record in ``infos["episode"]``."""
        try:
            observations, rewards, terminated, truncated, infos = self.env.step(actions)
        except gym.error.Error:  # the call was wrong, and nothing happened
            raise
        except Exception as error:
            for recorder in self._recorders:
                if recorder.recording:
                    self._archive.add(recorder, error=f"{type(error).__name__}: {error}")
            raise
        episodes = np.full(self.num_envs, None, dtype=object)
        for i, info in enumerate(split_infos(infos, self.num_envs)):
            recorder = self._recorders[i]
            if not recorder.recording:  # this step was the reset that follows an end
                recorder.start(observations[i], info, seed=None)
                continue
            ends = {"terminated": terminated[i], "truncated": truncated[i]}
            recorder.add(actions[i], observations[i], rewards[i], info, **ends)
            if terminated[i] or truncated[i]:
                episodes[i] = self._archive.add(recorder)
        ended = np.array([episode is not None for episode in episodes], dtype=np.bool_)
        if ended.any():
            infos |= {"episode": episodes, "_episode": ended}
        return observations, rewards, terminated, truncated, infos


class AssignCredit(VectorWrapper):
    """Gives ``infos["targets"]`` at the end of an episode, as :class:`credit_gym.wrappers.AssignCredit` does.

    It is an (n,) object array with the mask ``infos["_targets"]``, and ``infos["credits"]`` has one for each scorer by
    name. Episodes count as they end, by copy where several end at once: the copy whose episode completed ``group_size``
    of them has the targets of all. Episodes are taken from a :class:`RecordEpisodes` inside, which is added if there is
    none.

    Args:
        env: the vector environment.
        scorer: a registered scorer, a list of several, or a mapping of several to the options of each.
        group_size: episodes that are scored together, as one batch; those of one task among them form a group.
        options: keyword options of every scorer, and ``key`` of :func:`~credit_gym.credit.assign.build_targets`.

    Raises:
        UnknownNameError: no scorer has that name, or it has no such option.
        OptionError: an option is not what the scorer's signature declares.
        CreditGymError: there is no scorer, or one twice; there is another AssignCredit inside, a
            :class:`RecordEpisodes` that makes groups of another size, or an environment that it cannot record.

    Example:
        >>> import gymnasium as gym
        >>> import credit_gym
        >>> from credit_gym.wrappers.vector import AssignCredit
        >>> envs = AssignCredit(gym.make_vec("credit/Stochastic-v0", num_envs=8), group_size=8)
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], scorer: Scorers = DEFAULT, group_size: int = 1, **options: Any
    ) -> None:
        self._crediting = Crediting(scorer, group_size, options)
        recorder = _find(env, RecordEpisodes)
        self._crediting.refuse(
            inside=_find(env, AssignCredit), recorded=None if recorder is None else recorder.group_size
        )
        super().__init__(env if recorder is not None else RecordEpisodes(env, group_size=group_size, keep=0))

    def step(self, actions: Sequence[str]) -> _StepResult:
        """Step all copies; the one whose episode completes a batch has the targets of the batch in its info."""
        *result, infos = self.env.step(actions)
        given: list[dict[str, Any]] = [{}] * self.num_envs
        for copy in np.flatnonzero(infos.get("_episode", ())).tolist():
            given[copy] = self._crediting.add(infos["episode"][copy])
        credited = np.array([bool(each) for each in given], dtype=np.bool_)
        if credited.any():
            infos |= {"targets": _column(given, "targets"), "_targets": credited, "_credits": credited}
            by_copy = [each.get("credits", {}) for each in given]
            names = next(filter(None, by_copy))
            infos["credits"] = {name: _column(by_copy, name) for name in names} | {
                f"_{name}": credited for name in names
            }
        return (*result, infos)


def split_infos(infos: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the info of each copy: the columns of ``infos`` whose mask says that the copy has them.

    Args:
        infos: a vector environment's infos; ``_name`` is the (n,) bool mask of the column ``name``.
        count: n.
    """
    split: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, column in infos.items():
        if name.startswith("_"):
            continue
        values = split_infos(column, count) if isinstance(column, dict) else np.asarray(column, dtype=object).tolist()
        for info, value, present in zip(split, values, infos.get(f"_{name}", [True] * count), strict=True):
            if present:
                info[name] = value
    return split


def _column(infos: Sequence[dict[str, Any]], name: str) -> npt.NDArray[np.object_]:
    """(n,) what each info says under a name, None where it says nothing."""
    column = np.full(len(infos), None, dtype=object)
    for copy, info in enumerate(infos):
        column[copy] = info.get(name)
    return column


def _find(env: VectorEnv[Any, Any, Any], kind: type[W]) -> W | None:
    """The outermost wrapper of a kind in a stack, None if there is none."""
    while isinstance(env, VectorWrapper):
        if isinstance(env, kind):
            return env
        env = env.env
    return None
