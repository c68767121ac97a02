"""iStar: implicit step rewards, the log-ratio of a process reward model to the policy, beside the outcome.

``A_t = A^E + a (r_t - mean r) / sd r``, ``r_t = sum_j log pi_phi(y_j) - log pi_old(y_j)`` (Liu et al. 2025, iStar,
arXiv:2509.19199). phi is a language model trained by DPO on pairs of whole trajectories; training it is not done here.
"""

from __future__ import annotations

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.normalise import standardise
from credit_gym.estimation.token_scores import Aggregation
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.progress_advantage import progress_advantage
from credit_gym.scorers.registry import register


@register("istar", needs={"policy_logprob", "reference_logprob"}, reference="Liu et al. 2025, iStar, arXiv:2509.19199")
def istar(batch: EpisodeBatch, *, weight: float = 1.0, tokens: Aggregation = "sum") -> FloatArray:
    """A step gets its episode's advantage in the group plus its own implicit reward, standardised over the group.

    ``A_t = A^E + a (r_t - mean r) / sd r``, A^E that of GRPO, the mean and deviation over all steps of the group. The
    factor beta of the published reward cancels in the standard score.

    Args:
        batch: the episodes. Column ``policy_logprob`` holds the tokens' log-probabilities under the reward model phi,
            ``reference_logprob`` those under the policy that sampled them (pi_old). With the sampler in the first and
            any reference in the second it is progress advantage beside GRPO, which is another method.
        weight: a.
        tokens: how the tokens of a step become one number, a key of
            :data:`credit_gym.estimation.token_scores.AGGREGATIONS`.

    Returns:
        (S,) float64, in standard deviations; a step without tokens gets about its A^E alone.
    """
    implicit = progress_advantage(batch, tokens=tokens)
    return grpo(batch) + weight * standardise(implicit, batch.step_group, batch.num_groups)
