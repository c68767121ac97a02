"""Optimal action values of the empirical decision process, the best that could be done with what a group has seen.

``Q*(s, a) = b sum_x P(x | s, a) max_a' Q*(x, a')``, by policy iteration (Howard 1960, "Dynamic programming and Markov
processes").
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array

from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.estimation.pooled_graph import (
    SUCCESS,
    TRUNCATED,
    PooledGraph,
    action_value,
    solve_chain,
    success_value,
)

_MAX_ROUNDS = 100  # policy iteration takes a handful; the bound only guards against rounding


def optimal_action_value(graph: PooledGraph, discount: float, pseudo_count: float) -> FloatArray:
    """Solve the empirical decision process of every group at once by policy iteration.

    Each round evaluates one action per node by a sparse solve and then switches to better ones. The values rise until
    they satisfy the optimality equation; with ``discount = 1`` that also holds, because a circling policy is worth 0.

    Args:
        graph: the pooled graph.
        discount: b in (0, 1].
        pseudo_count: k >= 0 unseen failures per edge.

    Returns:
        (K,) float64 optimal value of each edge; 0 where every trial was cut off.
    """
    best = _best_edge(graph, action_value(graph, success_value(graph, discount), discount))
    counts = graph.edge_counts
    cut_off = counts[:, [graph.num_nodes + TRUNCATED]].toarray()[:, 0]
    trials = np.maximum(graph.edge_visits - cut_off + pseudo_count, 1.0)
    moves = csr_array(diags_array(1.0 / trials) @ counts[:, : graph.num_nodes])
    wins = counts[:, [graph.num_nodes + SUCCESS]].toarray()[:, 0] / trials

    for _ in range(_MAX_ROUNDS):
        value = solve_chain(csr_array(moves[best]), discount * wins[best], discount)
        quality: FloatArray = discount * (moves @ value + wins)
        challenger = _best_edge(graph, quality)
        better = quality[challenger] > quality[best] + 1e-12
        if not better.any():
            break
        best = np.where(better, challenger, best)
    return quality


def _best_edge(graph: PooledGraph, quality: FloatArray) -> IntArray:
    """First edge of the highest quality at each node; (K,) -> (N,)."""
    first = np.cumsum(graph.num_actions) - graph.num_actions
    highest = np.maximum.reduceat(quality, first) if first.size else np.zeros(0)
    winners = np.flatnonzero(quality == highest[graph.edge_node])[::-1]
    best = np.zeros(graph.num_nodes, dtype=np.int64)
    best[graph.edge_node[winners]] = winners
    return best
