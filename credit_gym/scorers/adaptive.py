"""Adaptive credit: outcome evidence at the states where successes passed, the verifier everywhere else.

``c = w(s) z_s(Q) + (1 - w(s)) branch_aware``, ``w(s) = m_s / (m_s + kappa)`` for m_s successes through s. Q is the
optimal value of what was seen (``adaptive_q``) or the value of what was done (``adaptive``). A method of this project.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.branches import branch_contrast
from credit_gym.estimation.normalise import standardise
from credit_gym.estimation.policy_iteration import optimal_action_value
from credit_gym.estimation.pooled_graph import PooledGraph, action_value, pool, success_value
from credit_gym.estimation.ranges import NonNegative, Range, Share
from credit_gym.estimation.successes import successes_through
from credit_gym.scorers.registry import register

_REFERENCE = "credit_gym: evidence-weighted mixture of closure and verifier"


@register("adaptive_q", needs={"verifier"}, reference=_REFERENCE)
def adaptive_q(
    batch: EpisodeBatch,
    *,
    kappa: NonNegative = 2.0,
    discount: Annotated[float, Range("(0, 1]")] = 0.98,
    pseudo_count: NonNegative = 1.0,
) -> FloatArray:
    """Credit an action by its pessimistic optimal value where successes passed, by the verifier's contrast elsewhere.

    ``c = w(s) z_s(Q*) + (1 - w(s)) branch_aware`` with ``w(s) = m_s / (m_s + kappa)``, m_s the number of successful
    episodes of the group that visited s, Q* the optimal value of :func:`~credit_gym.scorers.emp_qstar.emp_qstar` with
    ``pseudo_count`` unseen failures per action, and z_s the standard score over the visits of s.

    Args:
        batch: a batch with the column ``verifier``; without readings at a state the second term is 0 there.
        kappa: successes at which both kinds of evidence weigh the same, in [0, inf).
        discount: b of Q*, in (0, 1].
        pseudo_count: unseen failures per action, in [0, inf).

    Returns:
        (S,) float64, dimensionless.

    Raises:
        MissingColumnError: the batch has no verifier readings.
    """
    graph = pool(batch)
    quality = optimal_action_value(graph, discount, pseudo_count)
    return _mix(batch, graph, quality, kappa)


@register("adaptive", needs={"verifier"}, reference=_REFERENCE)
def adaptive(batch: EpisodeBatch, *, kappa: NonNegative = 2.0, discount: Share = 0.98) -> FloatArray:
    """Credit as :func:`adaptive_q`, with the value Q of the recorded behaviour (that of crbc) in place of Q*.

    Args:
        batch: a batch with the column ``verifier``; without readings at a state the second term is 0 there.
        kappa: successes at which both kinds of evidence weigh the same, in [0, inf).
        discount: b of the pooled chain, in [0, 1].

    Returns:
        (S,) float64, dimensionless.

    Raises:
        MissingColumnError: the batch has no verifier readings.
    """
    graph = pool(batch)
    quality = action_value(graph, success_value(graph, discount), discount)
    return _mix(batch, graph, quality, kappa)


def _mix(batch: EpisodeBatch, graph: PooledGraph, quality: FloatArray, kappa: float) -> FloatArray:
    """``w z(quality) + (1 - w) contrast`` for a (K,) quality of the edges; (M,)."""
    passed = successes_through(batch, graph)
    weight = np.divide(passed, passed + kappa, out=np.zeros_like(passed), where=passed > 0)
    mixed = branch_contrast(graph, batch.require("verifier"))
    mixed *= (1.0 - weight)[graph.node]
    outcome_term = standardise(quality[graph.edge], graph.node, graph.num_nodes)
    outcome_term *= weight[graph.node]
    mixed += outcome_term
    return mixed
