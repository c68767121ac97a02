"""The data model: an Episode as it was played. Many of them are an :class:`~credit_gym.data.batch.EpisodeBatch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One run of one task, T steps long. Per-step columns are tuples; an optional column is None when not recorded.

    Attributes:
        env_id: Gymnasium id of the environment.
        task_id: the task instance that was played.
        group_id: the group of rollouts of one task from one policy that this episode is compared within.
        episode_id: unique within a run.
        seed: the seed of the reset, None if it was not given.
        agent_id: who played.
        observations: (T+1,) text, the last one after the final action.
        state_keys: (T+1,) stable hashes of the true state.
        actions: (T,) text as sent to the environment.
        rewards: (T,) finite floats.
        success: whether the task was solved.
        terminated: the environment ended the episode.
        truncated: a limit ended the episode; never the same thing as failure.
        goal: the task's goal in words.
        verifier: (T,) verifier signal of each transition, NaN where there was no reading.
        log_belief: (T+1,) log-probability in nats that the agent gave to the truth, NaN where not recorded.
        distractor_log_belief: (T+1,) logarithm of the summed belief in wrong answers, nats.
        anchor_log_belief: (T+1,) log-belief in the truth of a slowly following copy of the agent, nats.
        values: (T+1,) critic values.
        policy_logprobs: (T,) tuples of per-token log-probabilities of each action under the policy, nats.
        reference_logprobs: the same under a reference model.
        policy_entropies: entropy of the policy at each of those tokens, nats.
        policy_kls: divergence KL(policy || reference) at each of those tokens, nats.
        policy_top_logprobs: mean of the policy's largest log-probabilities at each of those tokens, nats.
        admissible_actions: (T,) actions that the environment offered before each step.
        expert_actions: (T,) optimal (or expert) actions before each step, where the environment knows them.
        advantages: (T,) exact advantages, where an oracle knows them.
        roles: (T,) role that acted.
        parents: (T,) parent node in a replay tree, -1 at the root.
        invalid: (T,) whether the action was refused.
        messages: (T,) chat messages that each action answered.
        prompt_token_ids: (T,) tuples of the tokens of those chats; empty where a step has none.
        token_ids: (T,) tuples of the tokens that were sampled as each action; empty where a step has none.
        decodings: (T,) how the model's text became each action: ``free``, ``exact``, ``constrained`` or ``nearest``
            (see :class:`credit_gym.agents.core.Action`); empty where a step did not say.
        usage: totals such as tokens, seconds, dollars.
        error: why the episode failed to complete (a server, a budget), None if it completed.
    """

    env_id: str
    task_id: str
    group_id: str
    episode_id: str
    seed: int | None = None
    agent_id: str = ""
    observations: tuple[str, ...]
    state_keys: tuple[str, ...]
    actions: tuple[str, ...]
    rewards: tuple[float, ...]
    success: bool
    terminated: bool
    truncated: bool
    goal: str = ""
    verifier: tuple[float, ...] | None = None
    log_belief: tuple[float, ...] | None = None
    distractor_log_belief: tuple[float, ...] | None = None
    anchor_log_belief: tuple[float, ...] | None = None
    values: tuple[float, ...] | None = None
    policy_logprobs: tuple[tuple[float, ...], ...] | None = None
    reference_logprobs: tuple[tuple[float, ...], ...] | None = None
    policy_entropies: tuple[tuple[float, ...], ...] | None = None
    policy_kls: tuple[tuple[float, ...], ...] | None = None
    policy_top_logprobs: tuple[tuple[float, ...], ...] | None = None
    admissible_actions: tuple[tuple[str, ...], ...] | None = None
    expert_actions: tuple[tuple[str, ...], ...] | None = None
    advantages: tuple[float, ...] | None = None
    roles: tuple[str, ...] | None = None
    parents: tuple[int, ...] | None = None
    invalid: tuple[bool, ...] | None = None
    messages: tuple[tuple[Mapping[str, Any], ...], ...] | None = None
    prompt_token_ids: tuple[tuple[int, ...], ...] | None = None
    token_ids: tuple[tuple[int, ...], ...] | None = None
    decodings: tuple[str, ...] | None = None
    usage: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None

    def __post_init__(self) -> None:
        steps = len(self.actions)
        for name, extra in _COLUMN_LENGTHS:
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


_COLUMN_LENGTHS = (
    ("observations", 1),
    ("state_keys", 1),
    ("rewards", 0),
    ("verifier", 0),
    ("log_belief", 1),
    ("distractor_log_belief", 1),
    ("anchor_log_belief", 1),
    ("values", 1),
    ("policy_logprobs", 0),
    ("reference_logprobs", 0),
    ("policy_entropies", 0),
    ("policy_kls", 0),
    ("policy_top_logprobs", 0),
    ("admissible_actions", 0),
    ("expert_actions", 0),
    ("advantages", 0),
    ("roles", 0),
    ("parents", 0),
    ("invalid", 0),
    ("messages", 0),
    ("prompt_token_ids", 0),
    ("token_ids", 0),
    ("decodings", 0),
)
