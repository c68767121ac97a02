"""An action against the other actions that the group tried at the same state."""

from __future__ import annotations

import numpy as np

from credit_gym.data.grouping import BoolArray, FloatArray, group_mean, group_size, group_sum
from credit_gym.estimation.pooled_graph import PooledGraph


def other_actions_mean(graph: PooledGraph, value: FloatArray, known: BoolArray | None = None) -> FloatArray:
    """Mean value of the other actions of the same node.

    Args:
        graph: the pooled graph.
        value: (K,) float64 value of each edge.
        known: (K,) which edges have a value; all of them if None.

    Returns:
        (K,) float64 on the edges that have a value; 0 where there is no other.
    """
    node = graph.edge_node if known is None else graph.edge_node[known]
    of_known = value if known is None else value[known]
    total = group_sum(of_known, node, graph.num_nodes)[graph.edge_node]
    others = group_size(node, graph.num_nodes)[graph.edge_node] - 1
    mean: FloatArray = (total - value) / np.maximum(others, 1)
    return mean


def branch_contrast(graph: PooledGraph, verifier: FloatArray) -> FloatArray:
    """Verifier reading of each step minus the mean reading of the other actions seen at its node.

    Args:
        graph: the pooled graph.
        verifier: (M,) float64 reading of each step, NaN where there is none.

    Returns:
        (M,) float64; a step without a reading takes the mean of its action, and 0 if that, or every other, has none.
    """
    read = np.isfinite(verifier)
    read_edge = graph.edge[read]
    edge_mean = group_mean(verifier[read], read_edge, graph.num_edges)
    known = group_size(read_edge, graph.num_edges) > 0
    del read_edge
    compared = known & (group_size(graph.edge_node[known], graph.num_nodes)[graph.edge_node] > 1)
    reading = np.where(read, verifier, edge_mean[graph.edge])
    reading -= other_actions_mean(graph, edge_mean, known)[graph.edge]
    reading[~compared[graph.edge]] = 0.0
    return reading
