"""Branch-aware credit: what the verifier says of an action against what it says of the alternatives.

``c_t = v_t - mean over a' != a_t of vbar(s_t, a')``. A method of this project.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, group_mean, group_size
from credit_gym.estimation.branches import branch_contrast, other_actions_mean
from credit_gym.estimation.pooled_graph import pool
from credit_gym.scorers.explanation import Explanation, Term, explains
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


@explains("branch_aware")
def _explain_branch_aware(batch: EpisodeBatch) -> Explanation:
    graph, verifier = pool(batch), batch.require("verifier")
    read = np.isfinite(verifier)
    readings = group_size(graph.edge[read], graph.num_edges)
    mean = group_mean(verifier[read], graph.edge[read], graph.num_edges)
    known = readings > 0
    others = np.where(known, group_size(graph.edge_node[known], graph.num_nodes)[graph.edge_node] - 1, 0)
    terms = {
        "v": Term("reading of the step; of its action, where it has none", np.where(read, verifier, mean[graph.edge])),
        "v_others": Term(
            "mean reading of the other actions tried here", other_actions_mean(graph, mean, known)[graph.edge]
        ),
        "others": Term("how many of them have a reading", others[graph.edge].astype(np.float64)),
    }
    return Explanation(("c = (v - v_others) * (others > 0)",), terms)
