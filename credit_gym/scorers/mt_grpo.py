"""Turn-level group advantages: verifier readings compared at equal turn index.

``c_t = A^O + w A^T_t``, ``A^T_t = H_{i,t} - mean over the other episodes j of H_{j,t}``, H the readings from turn t on
(Zeng et al. 2025, MT-GRPO, arXiv:2505.11821).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact, discounted_sum, group_size, group_sum
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.normalise import standardise_upstream
from credit_gym.estimation.ranges import Share
from credit_gym.scorers.outcome import rloo
from credit_gym.scorers.registry import register

_UPSTREAM_EPSILON = 1e-4


@register("mt_grpo", needs={"verifier"}, reference="Zeng et al. 2025, MT-GRPO, arXiv:2505.11821")
def mt_grpo(batch: EpisodeBatch, *, weight: float = 1.0, discount: Share = 0.0, mode: Mode = "default") -> FloatArray:
    """A step gets its episode's outcome advantage plus the advantage of its verifier reading at its turn.

    ``c_t = A^O + w A^T_t``. With ``H_{i,t} = sum_{k>=0} g^k v_{i,t+k}`` (g = 0: the turn's own reading):

    * "default": ``A^T_t = H_{i,t} - (1 / (N-1)) sum_{j != i} H_{j,t}`` over the N episodes of the group, where a turn
      that episode j did not reach counts as 0; ``A^O = R_i - mean_{j != i} R_j``. Neither baseline knows anything of
      episode i, its length included, so both leave the policy gradient unbiased for every g.
    * "upstream": ``A^T_t = sum_{k>=0} g^k z_{i,t+k}``, z the reading standardised (sample deviation plus 1e-4) over
      the episodes that *reach* the turn, and A^O standardised likewise. The number of baseline terms in the sum then
      depends on the turn at which episode i chose to stop: for g > 0 every "go on" carries a hidden bonus of minus
      the mean reading that follows.

    A step without a reading (NaN) has ``A^T_t = 0`` and adds nothing to the baseline of others.

    Args:
        batch: the episodes, with verifier readings.
        weight: w.
        discount: g in [0, 1], of later readings.
        mode: see above.

    Returns:
        (S,) float64, in reward and verifier units (in standard deviations upstream); 0 for an episode alone in its
        group.
    """
    advantage = _upstream if is_upstream(mode) else _unbiased
    return advantage(batch, weight, discount)


def _unbiased(batch: EpisodeBatch, weight: float, discount: float) -> FloatArray:
    verifier: FloatArray = batch.require("verifier")
    readings = np.nan_to_num(verifier)
    later = discounted_sum(readings, batch.offsets, discount)
    turn, count = compact(batch.step_group, batch.step)
    peers = group_size(batch.group, batch.num_groups)[batch.step_group] - 1
    baseline = (group_sum(later, turn, count)[turn] - later) / np.maximum(peers, 1)
    known = (peers > 0) & ~np.isnan(verifier)
    return rloo(batch) + weight * np.where(known, later - baseline, 0.0)


def _upstream(batch: EpisodeBatch, weight: float, discount: float) -> FloatArray:
    verifier: FloatArray = batch.require("verifier")
    known = np.flatnonzero(~np.isnan(verifier))
    turn, count = compact(batch.step_group[known], batch.step[known])
    scores = np.zeros(batch.num_steps)
    scores[known] = standardise_upstream(verifier[known], turn, count, epsilon=_UPSTREAM_EPSILON)
    outcome = standardise_upstream(batch.episode_return, batch.group, batch.num_groups, epsilon=_UPSTREAM_EPSILON)
    return outcome[batch.episode] + weight * discounted_sum(scores, batch.offsets, discount)
