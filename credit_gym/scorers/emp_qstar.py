"""Optimal action values of the empirical decision process: the best that could be done with what was seen.

``Q*(s, a) = b sum_x P(x | s, a) max_a' Q*(x, a')`` less its mean over the visits of s; value iteration's fixed point
(Bellman 1957), found by policy iteration.
"""

from __future__ import annotations

from typing import Annotated

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, group_mean
from credit_gym.estimation.policy_iteration import optimal_action_value
from credit_gym.estimation.pooled_graph import pool
from credit_gym.estimation.ranges import NonNegative, Range
from credit_gym.scorers.registry import register

_REFERENCE = "credit_gym: certainty-equivalent control of the pooled graph (Howard, 1960, policy iteration)"


@register("emp_qstar", reference=_REFERENCE)
def emp_qstar(
    batch: EpisodeBatch, *, discount: Annotated[float, Range("(0, 1]")] = 0.98, pseudo_count: NonNegative = 0.0
) -> FloatArray:
    """Credit an action by its optimal value in the empirical decision process, centred over the visits of its state.

    ``Q*(s, a) = b sum_x P(x | s, a) max_a' Q*(x, a')`` over the actions that the group tried at x, and the credit is
    ``Q*(s, a) - mean over the visits of s of Q*``. Truncation is censored: a transition that a limit cut off says
    nothing about the outcome and is left out of P.

    Args:
        batch: any legal batch.
        discount: b in (0, 1].
        pseudo_count: k in [0, inf), failures added to the trials of every action: P is shrunk by n / (n + k).

    Returns:
        (S,) float64 in [-1, 1], success probability; the visits of a state sum to 0.
    """
    graph = pool(batch)
    value = optimal_action_value(graph, discount, pseudo_count)[graph.edge]
    centred: FloatArray = value - group_mean(value, graph.node, graph.num_nodes)[graph.node]
    return centred


@register("emp_qstar_pessimistic", reference=_REFERENCE)
def emp_qstar_pessimistic(
    batch: EpisodeBatch, *, discount: Annotated[float, Range("(0, 1]")] = 0.98, pseudo_count: NonNegative = 1.0
) -> FloatArray:
    """Credit as :func:`emp_qstar`, distrusting rarely tried actions: each has ``pseudo_count`` unseen failures.

    Args:
        batch: any legal batch.
        discount: b in (0, 1].
        pseudo_count: k in [0, inf); an action tried n times keeps the share n / (n + k) of its value.

    Returns:
        (S,) float64 in [-1, 1], success probability; the visits of a state sum to 0.
    """
    return emp_qstar(batch, discount=discount, pseudo_count=pseudo_count)
