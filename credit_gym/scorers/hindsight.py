"""Hindsight credit: the steps of a successful episode that remain when its loops are cut out."""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, compact
from credit_gym.estimation.pooled_graph import PooledGraph, pool
from credit_gym.scorers.registry import register


@register("hindsight", scope="episode", reference="credit_gym: loop erasure (Lawler, 1980, Duke Math. J. 47)")
def hindsight(batch: EpisodeBatch, *, signed: bool = False) -> FloatArray:
    """Credit 1 to a step that survives the loop erasure of a successful episode, else 0.

    Its mean over the visits of (s, a) estimates P(the step lies on the episode's success path | s, a).

    Args:
        batch: any legal batch.
        signed: credit -1 to the erased steps of successful episodes. It blames slips: an action that sometimes fails to
            move is punished each time it does.

    Returns:
        (S,) float64 in {0, 1}, or {-1, 0, 1} when signed.
    """
    solved = batch.success[batch.episode]
    kept = success_path(batch, pool(batch))
    return np.where(kept, 1.0, np.where(solved & signed, -1.0, 0.0))


def success_path(batch: EpisodeBatch, graph: PooledGraph) -> BoolArray:
    """Which steps lie on the loop-erased path of a successful episode.

    Chronological loop erasure walks along the episode and, on meeting a state that is still on its path, drops every
    step since. A state of the final path was therefore never left behind after its last visit: the path leaves each of
    its states by the last exit, the next state is where that exit led, and so on from the start. Both constructions
    keep the same steps, not only the same states (a repeated edge keeps its last copy). The chain of last exits is
    followed by pointer doubling: log2(longest path) passes.

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
