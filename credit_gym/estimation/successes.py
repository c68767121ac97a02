"""Where successful episodes went: the steps that remain when their loops are cut out, and the states they passed."""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, compact, group_size
from credit_gym.estimation.pooled_graph import PooledGraph


def success_path(batch: EpisodeBatch, graph: PooledGraph) -> BoolArray:
    """Which steps lie on the loop-erased path of a successful episode.

    Chronological loop erasure (Lawler 1980, Duke Math. J. 47) walks along the episode and, on meeting a state that is
    still on its path, drops every step since. A state of the final path was therefore never left behind after its last
    visit: the path leaves each of its states by the last exit, the next state is where that exit led, and so on from
    the start. Both constructions keep the same steps, not only the same states (a repeated edge keeps its last copy).
    The chain of last exits is followed by pointer doubling: log2(longest path) passes.

    Args:
        batch: the episodes.
        graph: their pooled graph.

    Returns:
        (M,) bool, False in episodes without success.
    """
    steps = np.flatnonzero(batch.success[batch.episode])
    kept = np.zeros(batch.num_steps, dtype=np.bool_)
    visited, count = compact(batch.episode[steps], graph.local_node[graph.node[steps]])  # distinct (episode, state)
    last_exit = np.zeros(count, dtype=np.int64)
    last_exit[visited] = np.arange(steps.size)  # steps ascend: the last assignment wins
    end = count  # one node after the last step of every episode
    jump = np.append(np.append(visited[1:], end)[last_exit], end)
    jump[:count][batch.is_last[steps[last_exit]]] = end

    on_path = np.zeros(count + 1, dtype=np.bool_)
    on_path[visited[batch.step[steps] == 0]] = True
    while bool((jump[on_path] != end).any()):
        on_path[jump[on_path]] = True
        jump = jump[jump]
    kept[steps[last_exit[on_path[:count]]]] = True
    return kept


def successes_through(batch: EpisodeBatch, graph: PooledGraph) -> FloatArray:
    """Number m_s of successful episodes that visited each node, an episode counted once; (N,) float64."""
    steps = np.flatnonzero(batch.success[batch.episode])
    visited, count = compact(batch.episode[steps], graph.local_node[graph.node[steps]])
    node = np.zeros(count, dtype=np.int64)
    node[visited] = graph.node[steps]
    return group_size(node, graph.num_nodes).astype(np.float64)
