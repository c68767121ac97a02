"""What verl 0.9's agent loop returns of an episode, with one credit a token."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch

import credit_gym.agents.learning.verl_plugin  # noqa: F401 - checks the version
from credit_gym.agents.learning.token_rows import token_row
from credit_gym.data.episode import Episode

from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics, AgentLoopOutput  # isort: skip - after the check

_VERSIONS = ("min_global_steps", "max_global_steps")  # of the weights that answered; verl's metrics ask for both


class CreditAgentLoopOutput(AgentLoopOutput):  # type: ignore[misc, unused-ignore]  # Any where verl is not installed
    """An episode whose every token has its credit, in the place of verl's reward on the last token."""

    token_credits: list[float]

    def as_dict(self) -> dict[str, Any]:
        """Return what verl stores, the credits as ``rm_scores``."""
        output: dict[str, Any] = super().as_dict()
        output.pop("token_credits", None)
        output["rm_scores"] = torch.tensor(self.token_credits, dtype=torch.float32)
        return output


def episode_output(
    episode: Episode, credit: Sequence[float], versions: Collection[int], room: int
) -> CreditAgentLoopOutput:
    """Return an episode for verl.

    Args:
        episode: T turns with their token ids.
        credit: (T,) credit of each turn.
        versions: the numbers of the weights that its group was played with.
        room: most tokens after the prompt; what goes beyond is cut off.

    Raises:
        BatchError: a turn has no token ids.
    """
    row = token_row(episode, credit)
    return CreditAgentLoopOutput(
        prompt_ids=row.prompt_ids,
        response_ids=row.completion_ids[:room],
        response_mask=row.mask[:room],
        response_logprobs=None if row.logprobs is None else row.logprobs[:room],
        token_credits=row.credits[:room],
        reward_score=episode.episode_return,
        num_turns=2 * len(episode),
        metrics=AgentLoopMetrics(),
        extra_fields={
            "reward_extra_info": {"success": float(episode.success)},
            **dict(zip(_VERSIONS, (min(versions), max(versions)), strict=True)),
        },
    )


def versions_of(output: Any) -> set[int]:
    """Return the numbers of the weights with which verl's servers gave an answer, none where they do not say."""
    return {output.extra_fields[name] for name in _VERSIONS if output.extra_fields.get(name) is not None}
