"""Branch-aware credit: what the verifier says of an action against what it says of the alternatives.

``c_t = v_t - mean over a' != a_t of vbar(s_t, a')``. A method of this project.
"""

from __future__ import annotations

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.branches import branch_contrast
from credit_gym.estimation.pooled_graph import pool
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
