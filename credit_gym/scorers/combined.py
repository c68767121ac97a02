"""Combined credit: the verifier's contrast at a branch plus presence on a success path.

``c = branch_aware + lambda * hindsight``. A method of this project.
"""

from __future__ import annotations

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.branches import branch_contrast
from credit_gym.estimation.pooled_graph import pool
from credit_gym.estimation.successes import success_path
from credit_gym.scorers.registry import register


@register("combined", needs={"verifier"}, reference="credit_gym: branch_aware + lambda hindsight")
def combined(batch: EpisodeBatch, *, lambda_: float = 1.0) -> FloatArray:
    """Credit a step by its verifier contrast plus ``lambda`` if it lies on the loop-erased path of a success.

    ``c = branch_aware + lambda * hindsight``. Hindsight repairs a wrong reading only within its margin: action a beats
    a' exactly when ``k / (k - 1) * (vbar(a') - vbar(a)) < lambda * (h(a) - h(a'))``, with h the mean hindsight of an
    action and k the number of actions at the state.

    Args:
        batch: a batch with the column ``verifier``.
        lambda_: weight of hindsight, in the verifier's units.

    Returns:
        (S,) float64 in the verifier's units.

    Raises:
        MissingColumnError: the batch has no verifier readings.
    """
    graph = pool(batch)
    return branch_contrast(graph, batch.require("verifier")) + lambda_ * success_path(batch, graph)
