"""The data model: an Episode as it was played. Many of them are an :class:`~credit_gym.data.batch.EpisodeBatch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, make_dataclass
from hashlib import blake2b
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple, Self, SupportsFloat

from credit_gym.data.columns import COLUMNS, Column, describe
from credit_gym.errors import BatchError, unknown


class Step(NamedTuple):
    """One step of an episode, read from its columns."""

    state_key: str
    observation: str
    action: str
    reward: float
    verifier: float
    admissible_actions: tuple[str, ...] | None
    next_state_key: str


def _field(column: Column) -> Any:
    if column.type == "mapping":
        return field(default_factory=dict)
    return field(default=MISSING if column.required else column.default)


if TYPE_CHECKING:

    @dataclass(frozen=True, kw_only=True)
    class _Columns:
        """The table's columns as editors and type checkers see them; a test holds the two equal."""

        episode_id: str
        env_id: str
        task_id: str
        group_id: str
        agent_id: str = ""
        goal: str = ""
        exact_verifier: bool = False
        seed: int | None = None
        success: bool
        terminated: bool
        truncated: bool
        error: str | None = None
        usage: Mapping[str, float] = field(default_factory=dict)
        extras: str | None = None
        state_keys: tuple[str, ...]
        observations: tuple[str, ...]
        actions: tuple[str, ...]
        rewards: tuple[float, ...]
        verifier: tuple[float, ...] | None = None
        advantages: tuple[float, ...] | None = None
        roles: tuple[str, ...] | None = None
        admissible_actions: tuple[tuple[str, ...], ...] | None = None
        messages: tuple[tuple[Mapping[str, Any], ...], ...] | None = None
        prompt_token_ids: tuple[tuple[int, ...], ...] | None = None
        token_ids: tuple[tuple[int, ...], ...] | None = None
        policy_logprobs: tuple[tuple[float, ...], ...] | None = None
        decodings: tuple[str, ...] | None = None
        replies: tuple[str, ...] | None = None
        thoughts: tuple[str, ...] | None = None
        finish_reasons: tuple[str, ...] | None = None
        tool_calls: tuple[tuple[Mapping[str, Any], ...], ...] | None = None
        expert_actions: tuple[tuple[str, ...], ...] | None = None
        human_labels: tuple[float, ...] | None = None
        invalid: tuple[bool, ...] | None = None
        parents: tuple[int, ...] | None = None
        segments: tuple[int, ...] | None = None
        log_belief: tuple[float, ...] | None = None
        distractor_log_belief: tuple[float, ...] | None = None
        anchor_log_belief: tuple[float, ...] | None = None
        values: tuple[float, ...] | None = None
        reference_logprobs: tuple[tuple[float, ...], ...] | None = None
        policy_entropies: tuple[tuple[float, ...], ...] | None = None
        policy_kls: tuple[tuple[float, ...], ...] | None = None
        policy_top_logprobs: tuple[tuple[float, ...], ...] | None = None

else:
    _Columns = make_dataclass("_Columns", [(c.name, Any, _field(c)) for c in COLUMNS], frozen=True, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Episode(_Columns):
    """One run of one task, T steps long: the columns of :data:`credit_gym.data.columns.COLUMNS`.

    A column with a value for each step is a tuple; an optional one is None when it was not recorded.
    """

    def __post_init__(self) -> None:
        steps = len(self.actions)
        for name, extra in _LENGTHS:
            column = getattr(self, name)
            if column is not None and len(column) != steps + extra:
                raise BatchError(
                    f"Episode {self.episode_id!r} has {steps} actions but {len(column)} {name}; "
                    f"it must have {steps + extra}."
                )

    @classmethod
    def of_columns(cls, columns: Iterable[tuple[str, Any]]) -> Self:
        """Return the episode of columns that are known to fit together, a tenth of the time that checking them takes.

        Args:
            columns: name and value; all that an episode must have, ``usage`` and any others.
        """
        episode = cls.__new__(cls)
        episode.__dict__.update(columns)
        return episode

    @classmethod
    def from_steps(
        cls, steps: Iterable[tuple[str, str, SupportsFloat]], *, last_observation: str = "", **columns: Any
    ) -> Self:
        """Return the episode of steps that were recorded elsewhere.

        Args:
            steps: of each the observation, the action that answered it and its reward.
            last_observation: what was seen after the last action.
            columns: any others. Where they are not given, ``success`` is a return above 0, ``terminated`` the contrary
                of ``truncated``, ``state_keys`` the observations, ``task_id`` the first of them, ``group_id`` the task
                and ``episode_id`` a hash of the steps: a run takes each id once.

        Raises:
            BatchError: a step is something else, or a column has not one value a step.
            UnknownNameError: there is no such column.
        """
        parts = [_checked(step, number) for number, step in enumerate(steps)]
        observations = (*(seen for seen, _, _ in parts), last_observation)
        total, task = sum(reward for _, _, reward in parts), columns.get("task_id", observations[0])
        truncated = columns.get("truncated", False)
        made_up = {
            "episode_id": _digest(parts, last_observation),
            "env_id": "imported/steps",
            "task_id": task,
            "group_id": task,
            "success": total > 0,
            "terminated": not truncated,
            "truncated": truncated,
            "state_keys": observations,
        }
        for name in columns:
            if name not in _NAMES:
                raise unknown("column", name, _NAMES)
        played = {"actions": tuple(action for _, action, _ in parts), "rewards": tuple(reward for *_, reward in parts)}
        return cls(**{**made_up, **columns, **played, "observations": observations})

    @classmethod
    def from_messages(
        cls, messages: Sequence[Mapping[str, Any]], reward: float | Sequence[float], **columns: Any
    ) -> Episode:
        """Return the episode of a chat: the assistant's messages, or the tool calls in them, are its actions.

        Args:
            messages: in any of the dialects that ``credit-gym import`` reads (:mod:`credit_gym.formats.messages`).
            reward: of the whole, or of each of the assistant's messages.
            columns: any others, by default as :meth:`from_steps` makes them up.

        Raises:
            BatchError: it is no chat, or nobody is the assistant.
        """
        each = list(reward) if isinstance(reward, Sequence) else None
        chat = {"messages": list(messages), "rewards": each, "reward": reward}
        read: Callable[..., Episode] = resolve_name(_READS_CHATS)
        try:
            return read({"episode_id": _digest(messages, reward), **columns, **chat}, 0)
        except (KeyError, ValueError, TypeError) as error:
            raise BatchError(f"These messages are no episode: {str(error).rstrip('.')}.") from None

    def __len__(self) -> int:
        return len(self.actions)

    def __getitem__(self, t: int) -> Step:
        if not -len(self) <= t < len(self):
            raise IndexError(f"Episode {self.episode_id!r} has {len(self)} steps; there is no step {t}.")
        t %= len(self)
        return Step(
            self.state_keys[t],
            self.observations[t],
            self.actions[t],
            self.rewards[t],
            float("nan") if self.verifier is None else self.verifier[t],
            None if self.admissible_actions is None else self.admissible_actions[t],
            self.state_keys[t + 1],
        )

    def _repr_html_(self) -> str:
        """Return it as a notebook shows it."""
        shown: str = resolve_name(_SHOWN)(self)
        return shown

    @property
    def episode_return(self) -> float:
        """Undiscounted sum of the rewards."""
        return float(sum(self.rewards))


_READS_CHATS = "credit_gym.formats.chat:chat_episode"
_SHOWN = "credit_gym.report.notebook:episode_html"
_NAMES = frozenset(column.name for column in COLUMNS)
_LENGTHS = tuple((column.name, column.extra) for column in COLUMNS if column.kind != "episode")


def _checked(step: Any, number: int) -> tuple[str, str, float]:
    if not isinstance(step, tuple | list) or len(step) != 3:
        raise BatchError(f"Step {number} must be (observation, action, reward), not {type(step).__name__}.")
    observation, action, reward = step
    if not isinstance(observation, str) or not isinstance(action, str):
        raise BatchError(f"The observation and the action of step {number} must be texts.")
    try:
        return observation, action, float(reward)
    except (TypeError, ValueError):
        raise BatchError(f"The reward of step {number} must be a number, not {reward!r:.40}.") from None


def _digest(*parts: Any) -> str:
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


Episode.__doc__ = f"{Episode.__doc__}\n    Attributes:\n{describe(COLUMNS)}\n    "
