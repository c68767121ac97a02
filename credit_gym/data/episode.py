"""The data model: an Episode as it was played. Many of them are an :class:`~credit_gym.data.batch.EpisodeBatch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, make_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from credit_gym.data.columns import COLUMNS, Column, describe
from credit_gym.errors import BatchError


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

    @dataclass(frozen=True, slots=True, kw_only=True)
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
    _Columns = make_dataclass(
        "_Columns", [(c.name, Any, _field(c)) for c in COLUMNS], frozen=True, slots=True, kw_only=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
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

    @property
    def episode_return(self) -> float:
        """Undiscounted sum of the rewards."""
        return float(sum(self.rewards))


_LENGTHS = tuple((column.name, column.extra) for column in COLUMNS if column.kind != "episode")

Episode.__doc__ = f"{Episode.__doc__}\n    Attributes:\n{describe(COLUMNS)}\n    "
