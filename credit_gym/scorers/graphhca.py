"""Graph hindsight credit: each step changes the log-potential of success in the pooled graph.

``l = log max(Phi(s'), e) - log max(Phi(s), e)``, ``Phi(s) = g E_mu[Phi(s')]``, standardised over the visits of s, plus
the outcome (Zhu et al. 2026, GraphHCA, arXiv:2609.35084).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.normalise import standardise
from credit_gym.estimation.pooled_graph import pool, success_value, with_outcomes
from credit_gym.estimation.ranges import Positive, Share
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register


@register("graphhca", reference="Zhu et al., 2026, GraphHCA, arXiv:2609.35084")
def graphhca(
    batch: EpisodeBatch, *, discount: Share = 0.95, epsilon: Positive = 0.01, weight_state: float = 5.0
) -> FloatArray:
    """Credit a step by the growth of the log-potential of success, standardised per state, plus the outcome.

    ``A = A^T + w z_s(l)`` with ``l = log max(Phi(s'), e) - log max(Phi(s), e)``, where Phi is the fixed point
    ``Phi(s) = g E_mu[Phi(s')]`` of the pooled graph (success 1, failure and truncation 0), z_s standardises over the
    visits of a state and A^T is the standardised return of the episode (:func:`~credit_gym.scorers.outcome.grpo`).

    Args:
        batch: any legal batch.
        discount: g in [0, 1].
        epsilon: e, the least potential, in (0, inf).
        weight_state: w. The paper trains with 1, where the luck of A^T outweighs the potential at actions that were
            tried once: a gradient averages it out, the argmax of a table does not.

    Returns:
        (S,) float64 credit, in standard deviations.
    """
    graph = pool(batch)
    potential = np.log(np.maximum(with_outcomes(success_value(graph, discount)), epsilon))
    # The potential of s itself is the same for all visits of s: z_s(l) = z_s(log max(Phi(s'), e)).
    state_term = standardise(potential[graph.next_node], graph.node, graph.num_nodes)
    credit: FloatArray = grpo(batch) + weight_state * state_term
    return credit
