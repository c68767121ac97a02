"""Credit for doing what was done: how often an action was chosen, by everyone or by those who succeeded.

``c_t = n(s_t, a_t) / n(s_t)``, what behaviour cloning (Pomerleau 1991, doi:10.1162/neco.1991.3.1.88) estimates; over
successful episodes alone it is filtered cloning.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact, group_size, group_sum
from credit_gym.estimation.critic import state_nodes
from credit_gym.scorers.registry import register


@register("majority", reference="behaviour cloning; a control")
def majority(batch: EpisodeBatch) -> FloatArray:
    """A step gets the share of the visits to its state that chose its action.

    ``c_t = n(s_t, a_t) / n(s_t)``, counted within the group.

    Args:
        batch: the episodes.

    Returns:
        (S,) float64 in (0, 1].
    """
    node, num_nodes = state_nodes(batch)
    edge, num_edges = compact(node, batch.action)
    return group_size(edge, num_edges)[edge] / group_size(node, num_nodes)[node]


@register("filtered_bc", reference="filtered behaviour cloning (best-of-n imitation)")
def filtered_bc(batch: EpisodeBatch) -> FloatArray:
    """A step gets the share of the visits to its state, in successful episodes, that chose its action.

    ``c_t = n+(s_t, a_t) / n+(s_t)``, counted within the group over the episodes with ``success``.

    Args:
        batch: the episodes.

    Returns:
        (S,) float64 in [0, 1]; 0 at a state that no successful episode visited.
    """
    node, num_nodes = state_nodes(batch)
    edge, num_edges = compact(node, batch.action)
    succeeded = batch.success[batch.episode]
    visits = group_sum(succeeded, node, num_nodes)[node]
    choices = group_sum(succeeded, edge, num_edges)[edge]
    return np.divide(choices, visits, out=np.zeros(batch.num_steps), where=visits > 0)
