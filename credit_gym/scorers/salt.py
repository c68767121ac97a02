"""Trajectory advantages averaged where trajectories share an edge.

``c_t = mean of A^GRPO_j`` over the steps of the group with the same (s, a, s') (SALT 2025, arXiv:2510.20022).
"""

from __future__ import annotations

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact, group_mean
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register


@register("salt", reference="SALT 2025, arXiv:2510.20022 (from its abstract)", stand_in=True)
def salt(batch: EpisodeBatch) -> FloatArray:
    """A step gets the mean GRPO advantage of all traversals of its transition.

    ``c_t = mean of A^GRPO_j`` over the steps of the group with the same (s, a, s'); a transition that only one
    episode made keeps that episode's advantage. The mean over an action's steps is what GRPO gives it: the greedy
    table does not change, only the variance of a gradient does.

    Args:
        batch: the episodes.

    Returns:
        (S,) float64, in standard deviations.
    """
    transition, count = compact(batch.step_group, batch.state, batch.action, batch.next_state)
    return group_mean(grpo(batch), transition, count)[transition]
