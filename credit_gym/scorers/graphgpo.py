"""Graph shortest-path credit: how near to success a step led, in the best case that the group has seen.

``x = g**(d(s') + c)``, d the fewest recorded transitions to success, standardised over the visits of s (Cheng et al.
2026, GraphGPO, arXiv:2605.26684).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.normalise import standardise
from credit_gym.estimation.pooled_graph import SUCCESS, pool, steps_to
from credit_gym.estimation.ranges import NonNegative, Range
from credit_gym.scorers.registry import register


@register("graphgpo", reference="Cheng et al., 2026, GraphGPO, arXiv:2605.26684", stand_in=True)
def graphgpo(
    batch: EpisodeBatch, *, discount: Annotated[float, Range("(0, 1)")] = 0.95, offset: NonNegative = 1.0
) -> FloatArray:
    """Credit a step by the discounted shortest distance to success from where it led, standardised per state.

    ``x = g**(d(s') + c)``, where d(s') is the fewest recorded transitions from s' to success in the pooled graph, 0 at
    success itself and infinite (x = 0) after failure, truncation or where no success was ever reached; the credit is
    ``(x - mean_s x) / sd_s x`` over the visits of a state. A shortest path is a best case: it ignores how unlikely a
    lucky transition was.

    Args:
        batch: any legal batch.
        discount: g in (0, 1); published runs use 0.1 to 0.8, depending on the environment.
        offset: c in [0, inf), which the standard score cancels.

    Returns:
        (S,) float64 credit, dimensionless; the visits of a state sum to 0.
    """
    graph = pool(batch)
    moves = graph.node_counts
    wins = moves[:, [graph.num_nodes + SUCCESS]].toarray()[:, 0] > 0
    distance = steps_to(moves[:, : graph.num_nodes], wins) + 1.0
    ahead = np.concatenate([distance, [0.0, np.inf, np.inf]])[graph.next_node]
    return standardise(discount ** (ahead + offset), graph.node, graph.num_nodes)
