"""Coalition credit: the actions tried at a state as players of one small game, solved in closed form.

``loo(a) = v(A) - v(A without a)`` (after C3, 2026, arXiv:2603.06859) and the Shapley value of a (Shapley 1953; after
SCAR, 2025, arXiv:2505.20417).

The game of state s: a coalition C of the k actions tried there is worth ``v(C) = mean over a in C of Q(s, a)``, the
probability that the pooled chain succeeds when the agent, once at s, picks evenly among C and then behaves as recorded;
the empty coalition is worth 0, for it cannot go on. Coalitions weigh their members evenly on purpose: weights by
recorded frequency would reward an action for being common instead of good.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.branches import other_actions_mean
from credit_gym.estimation.pooled_graph import action_value, pool, success_value
from credit_gym.estimation.ranges import Share
from credit_gym.scorers.registry import register


@register("loo", reference="credit_gym: leave-one-out on the pooled graph (after C3, 2026, arXiv:2603.06859)")
def loo(batch: EpisodeBatch, *, discount: Share = 0.98) -> FloatArray:
    """Credit an action by what its state loses without it: ``v(A) - v(A without a)`` of the game of its state.

    In closed form ``(Q(s, a) - mean over a' != a of Q(s, a')) / k``, and Q(s, a) itself where it is the only action.

    Args:
        batch: any legal batch.
        discount: b of the pooled chain, in [0, 1].

    Returns:
        (S,) float64 in [-1, 1], success probability.
    """
    graph = pool(batch)
    quality = action_value(graph, success_value(graph, discount), discount)
    actions = graph.num_actions[graph.edge_node]
    credit: FloatArray = (quality - other_actions_mean(graph, quality)) / actions
    return credit[graph.edge]


@register("shapley", reference="Shapley, 1953, on the pooled graph (after SCAR, 2025, arXiv:2505.20417)")
def shapley(batch: EpisodeBatch, *, discount: Share = 0.98) -> FloatArray:
    """Credit an action by its Shapley value in the game of its state, exactly.

    A player who joins c others adds Q(s, a) if c = 0, else on average ``(Q(s, a) - mean of the others) / (c + 1)``.
    Each c in ``0..k-1`` is equally likely, so with the harmonic number H_k
    ``phi(s, a) = (Q(s, a) + (H_k - 1) (Q(s, a) - mean over a' != a of Q(s, a'))) / k``.
    The values of a state's actions sum to ``v(A(s)) = mean over a of Q(s, a)``.

    Args:
        batch: any legal batch.
        discount: b of the pooled chain, in [0, 1].

    Returns:
        (S,) float64, success probability.
    """
    graph = pool(batch)
    quality = action_value(graph, success_value(graph, discount), discount)
    actions = graph.num_actions[graph.edge_node]
    harmonic = np.cumsum(1.0 / np.arange(1, int(actions.max(initial=1)) + 1))[actions - 1]
    credit: FloatArray = (quality + (harmonic - 1.0) * (quality - other_actions_mean(graph, quality))) / actions
    return credit[graph.edge]
