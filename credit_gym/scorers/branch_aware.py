"""Branch-aware credit: what the verifier says of an action against what it says of the alternatives."""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, group_mean, group_size, group_sum
from credit_gym.estimation.pooled_graph import PooledGraph, pool
from credit_gym.scorers.registry import register


@register("branch_aware", needs={"verifier"}, reference="credit_gym: verifier contrast at a branch")
def branch_aware(batch: EpisodeBatch) -> FloatArray:
    """Credit a step by its verifier reading minus the mean reading of the other actions seen at the same state.

    ``c_t = v_t - mean over a' != a_t of vbar(s_t, a')``, where vbar(s, a') is the mean reading of a' at s in the group
    and the mean runs over the actions that have a reading; 0 where there is no other. Averaged over the visits of
    (s, a) it is ``k / (k - 1)`` times ``vbar(s, a) - mean over a' of vbar(s, a')`` for k actions: the ranks are the
    verifier's own. A step without a reading takes the mean of its action, and 0 if that has none.

    Args:
        batch: a batch with the column ``verifier``.

    Returns:
        (S,) float64 in the verifier's units.

    Raises:
        MissingColumnError: the batch has no verifier readings.
    """
    return branch_contrast(pool(batch), batch.require("verifier"))


def branch_contrast(graph: PooledGraph, verifier: FloatArray) -> FloatArray:
    """The contrast of :func:`branch_aware` on a given graph; (M,) readings -> (M,)."""
    read = np.isfinite(verifier)
    edge_mean = group_mean(verifier[read], graph.edge[read], graph.num_edges)
    has_reading = group_size(graph.edge[read], graph.num_edges) > 0
    actions = group_size(graph.edge_node[has_reading], graph.num_nodes)
    total = group_sum(edge_mean, graph.edge_node, graph.num_nodes)

    others = (actions - 1)[graph.edge_node]
    others_mean = (total[graph.edge_node] - edge_mean) / np.maximum(others, 1)
    comparable = (has_reading & (others > 0))[graph.edge]
    reading = np.where(read, verifier, edge_mean[graph.edge])
    return np.where(comparable, reading - others_mean[graph.edge], 0.0)
