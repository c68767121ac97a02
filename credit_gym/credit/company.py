"""Who else stood in a state: of each step the others of its group that acted in it, and what it was worth to them all.

The value is that of the pooled chain, undiscounted: what an episode of the group earns from here on, on the average, if
every recorded transition may be followed by whatever any episode of the group did next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, discounted_sum, group_mean
from credit_gym.estimation.pooled_graph import chain_value, pool


class Company(NamedTuple):
    """Of each of S steps.

    Attributes:
        node: (S,) number of the state within its group; steps of one number keep company.
        action: (S,) number of the action.
        mean_return: (S,) mean, over the company, of what was earned from here on.
        value: (S,) pooled value of the state before the step, in reward units.
        next_value: (S,) pooled value of the state after it, 0 after the last.
    """

    node: IntArray
    action: IntArray
    mean_return: FloatArray
    value: FloatArray
    next_value: FloatArray


def company(batch: EpisodeBatch) -> Company:
    """Return who stood where; a state is what the batch's key told apart."""
    graph = pool(batch)
    earned = discounted_sum(batch.reward, batch.offsets, 1.0)
    value = chain_value(graph, batch.reward, 1.0)
    return Company(
        node=graph.node,
        action=batch.action,
        mean_return=group_mean(earned, graph.node, graph.num_nodes)[graph.node],
        value=value[graph.node],
        next_value=np.append(value, np.zeros(3))[graph.next_node],
    )
