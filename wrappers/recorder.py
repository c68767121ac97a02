"""The recorder that every recording wrapper and the rollout runner share: a played episode becomes an Episode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, SupportsFloat, TypeAlias, TypeVar, cast

import gymnasium as gym

from credit_gym.data.episode import Episode
from credit_gym.wrappers.record_verifier import RecordVerifier

T = TypeVar("T")
W = TypeVar("W", bound=gym.Wrapper[Any, Any, Any, Any])
_Row: TypeAlias = tuple[
    str, SupportsFloat, float, bool, str, str, tuple[str, ...] | None, tuple[str, ...] | None, str | None,
    float | None, float | None, float | None,
]  # fmt: skip
_NAN = float("nan")
_BELIEFS = ("log_belief", "distractor_log_belief", "anchor_log_belief")


class Recorder:
    """Writes down what passes between an agent and an environment, one episode after another.

    Call :meth:`start` after every reset, :meth:`add` after every step and :meth:`finish` at the end. Optional columns
    appear when the environment gave them at least once, save the verifier's, which must be asked for. An action that
    carries more than its text (:class:`credit_gym.agents.core.Action`) leaves that in the episode's columns too.

    Args:
        env_id: id of the environment whose episodes are recorded.
        verifier: whether to record the verifier signal.

    Attributes:
        recording: whether an episode is under way.
        task_id: the task being played.
    """

    def __init__(self, env_id: str, *, verifier: bool) -> None:
        self._env_id = env_id
        self._has_verifier = verifier
        self.recording = False
        self.task_id = ""
        self._goal = ""
        self._seed: int | None = None
        self._rows: list[_Row] = []
        self._beliefs: dict[str, tuple[float, ...]] = {}

    @classmethod
    def of(cls, env: gym.Env[str, str]) -> Recorder:
        """Return the recorder for a stack: with a verifier column if there is a :class:`RecordVerifier` in it."""
        spec = env.unwrapped.spec
        env_id = type(env.unwrapped).__name__ if spec is None else spec.id
        return cls(env_id, verifier=find_wrapper(env, RecordVerifier) is not None)

    def start(self, observation: str, info: Mapping[str, Any], *, seed: int | None) -> None:
        """Begin an episode with what ``reset`` returned; one that was under way is dropped."""
        task: Mapping[str, Any] = info.get("task", {})
        self.recording = True
        self.task_id, self._goal = str(task.get("id", "")), str(task.get("goal", ""))
        self._seed = seed
        self._rows, self._beliefs = [], {}
        self.add("", observation, 0.0, info)

    def add(self, action: str, observation: str, reward: SupportsFloat, info: Mapping[str, Any]) -> None:
        """Record one step: the action, and what ``step`` returned."""
        get = info.get
        admissible, expert = get("admissible_actions"), get("expert_actions")
        self._rows.append(
            (
                action,
                reward,
                get("verifier", _NAN),
                get("invalid", False),
                observation,
                get("state_key", observation),
                None if admissible is None else tuple(admissible),  # copies: the lists belong to the info's holder
                None if expert is None else tuple(expert),
                get("role"),
                *(get(name) for name in _BELIEFS),
            )
        )
        self._beliefs = get("beliefs", self._beliefs)  # columns of the whole episode, read at its end

    def finish(
        self,
        *,
        episode_id: str,
        group_id: str,
        terminated: bool = False,
        truncated: bool = False,
        success: bool = False,
        agent_id: str = "",
        error: str | None = None,
    ) -> Episode:
        """Return the episode as it stands and be ready for the next.

        Args:
            episode_id: unique within the run.
            group_id: the rollouts it is compared with.
            terminated: the environment ended it. Where both flags are set the truncation came too late to matter.
            truncated: a limit ended it.
            success: whether the task was solved.
            agent_id: who played.
            error: why it could not be completed, None if it was.
        """
        if not self._rows:
            self.add("", "", 0.0, {})
        columns = tuple(zip(*self._rows, strict=True))
        actions, rewards, verifier, invalid = (column[1:] for column in columns[:4])  # the first row is the reset
        observations, state_keys, admissible, expert, roles = columns[4:9]
        beliefs: Any = {name: _column(column, _NAN) for name, column in zip(_BELIEFS, columns[9:], strict=True)}
        episode = Episode(
            env_id=self._env_id,
            task_id=self.task_id,
            group_id=group_id,
            episode_id=episode_id,
            seed=self._seed,
            agent_id=agent_id,
            observations=observations,
            state_keys=state_keys,
            actions=actions,
            rewards=tuple(map(float, rewards)),
            success=success,
            terminated=terminated,
            truncated=truncated and not terminated,
            goal=self._goal,
            verifier=verifier if self._has_verifier else None,
            admissible_actions=_column(admissible[:-1], ()),
            expert_actions=_column(expert[:-1], ()),
            roles=_column(roles[:-1], ""),
            invalid=invalid,
            error=error,
            **(beliefs | self._beliefs),
        )
        self.recording, self.task_id, self._goal, self._seed, self._rows = False, "", "", None, []
        self._beliefs = {}
        return episode if set(map(type, actions)) <= {str} else replace(episode, **_answers(actions))


def find_wrapper(env: gym.Env[Any, Any], kind: type[W]) -> W | None:
    """Return the outermost wrapper of a kind in a stack, None if there is none."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, kind):
            return env
        env = env.env
    return None


def _column(values: tuple[T | None, ...], missing: T) -> tuple[T, ...] | None:
    """The column with its gaps filled, None if it is nothing but gaps."""
    gaps = values.count(None)
    if gaps == 0:
        return cast("tuple[T, ...]", values)
    if gaps == len(values):
        return None
    return tuple(missing if value is None else value for value in values)


def _answers(actions: Sequence[str]) -> dict[str, Any]:
    """The columns of actions that carry more than their text; an action that lacks a part has an empty one."""
    usage: Counter[str] = Counter()
    for action in actions:
        usage.update(getattr(action, "usage", {}))
    columns = {column: tuple(kind(getattr(action, part, ())) for action in actions) for column, part, kind in _ANSWERS}
    return {
        "actions": tuple(map(str, actions)),
        **{name: column if any(column) else None for name, column in columns.items()},
        "usage": dict(usage),
    }


_ANSWERS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("messages", "messages", tuple),
    ("policy_logprobs", "logprobs", tuple),
    ("prompt_token_ids", "prompt_token_ids", tuple),
    ("token_ids", "token_ids", tuple),
    ("decodings", "decoding", lambda decoding: decoding or ""),
)
"""Column of an Episode, attribute of an action, and what makes one of the other."""
