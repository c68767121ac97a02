"""What decides which scorer pays: outcomes, horizon, recurrence, and whether the verifier agrees with the outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import IntArray, compact, group_size, group_sum
from credit_gym.data.recurrence import recurrence
from credit_gym.estimation.trust import EXACT, UNKNOWN, Trust, above_mean
from credit_gym.metrics.statistics import Estimate, bootstrap_ratio
from credit_gym.scorers.evidence_lambda import verifier_evidence

_NORMAL = 1.96  # deviations on either side that hold 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a batch of episodes shows of its regime.

    Attributes:
        episodes: number of episodes.
        groups: number of groups that have one.
        group_size: median number of episodes of a group.
        unlike: share of the groups whose episodes are not all of one task.
        steps: median number of steps of an episode.
        most_steps: 95th percentile of it.
        longest: the largest.
        success: share of the episodes that solved their task.
        mean_return: mean sum of rewards.
        graded: whether returns take more than two values.
        won: share of the episodes that an outcome speaks for: the solved ones; where returns are graded, those above
            the mean of their group.
        mixed: share of the groups with returns above and below their mean: in the others outcomes say nothing.
        recurrence: of the steps that are not the first, the share whose state another episode of the group visited.
        fresh: share of the steps that are the first visit to their state in their episode.
        density: share of the steps with a reading of the verifier that is neither missing nor 0; None without one.
        agreement: how well its readings tell what is won from what is lost in the same group, Somers' D in [-1, 1]
            (:mod:`credit_gym.estimation.trust`), with a 95 % bootstrap interval over groups that is nowhere narrower
            than that of readings that say nothing; None without a verifier or where no group is mixed.
        evidence: weight behind it, as :class:`credit_gym.estimation.trust.Trust` counts it.
        exact: whether the environment declares the verifier to be an exact potential.
        log_probabilities: whether tokens have theirs.
        beliefs: whether beliefs in the truth were recorded.
    """

    episodes: int
    groups: int
    group_size: float
    unlike: float
    steps: float
    most_steps: float
    longest: int
    success: float
    mean_return: float
    graded: bool
    won: float
    mixed: float
    recurrence: float
    fresh: float
    density: float | None
    agreement: Estimate | None
    evidence: float
    exact: bool
    log_probabilities: bool
    beliefs: bool

    @property
    def single(self) -> bool:
        """Whether no episode has two steps."""
        return self.longest < 2

    @property
    def believed(self) -> float:
        """Agreement of the verifier as the default scorer believes it: shrunk to what is declared; 0 without one."""
        if self.density is None:
            return 0.0
        seen = Trust(self.agreement.value if self.agreement else 0.0, self.evidence)
        return (EXACT if self.exact else UNKNOWN).after(seen, memory=1.0).agreement


def run_facts(batch: EpisodeBatch) -> RunFacts:
    """Return what a batch shows of its regime.

    Args:
        batch: E > 0 episodes of S > 0 steps; recurrence is that of the states as they are in it.
    """
    returns, lengths = batch.episode_return, batch.lengths
    group, groups = compact(batch.group)
    graded = np.unique(returns).size > 2
    ahead = above_mean(batch)
    density, agreement, evidence = _verifier(batch)
    exact = batch.exact_verifier
    return RunFacts(
        episodes=batch.num_episodes,
        groups=groups,
        group_size=float(np.median(group_size(group, groups))),
        unlike=float((group_size(_owner(*compact(group, batch.task), group), groups) > 1).mean()),
        steps=float(np.median(lengths)),
        most_steps=float(np.percentile(lengths, 95, method="higher")),
        longest=int(lengths.max()),
        success=float(batch.success.mean()),
        mean_return=float((returns / returns.size).sum()),  # which cannot overflow
        graded=graded,
        won=float((ahead if graded else batch.success).mean()),
        mixed=float((group_sum(ahead, group, groups) > 0).mean()),
        recurrence=recurrence(batch, starts=False),
        fresh=compact(batch.episode, batch.state)[1] / batch.num_steps,
        density=density,
        agreement=agreement,
        evidence=evidence,
        exact=density is not None and exact is not None and bool(exact.all()),
        log_probabilities=batch.policy_logprob is not None and batch.policy_logprob.size > 0,
        beliefs=batch.log_belief is not None and not bool(np.isnan(batch.log_belief).all()),
    )


def _owner(pair: IntArray, pairs: int, group: IntArray) -> IntArray:
    """Group of each distinct (group, task); (pairs,)."""
    owner = np.zeros(pairs, dtype=np.int64)
    owner[pair] = group
    return owner


def _verifier(batch: EpisodeBatch) -> tuple[float | None, Estimate | None, float]:
    """Density, agreement and the evidence behind it."""
    if batch.verifier is None or bool(np.isnan(batch.verifier).all()):
        return None, None, 0.0
    density = float((np.nan_to_num(batch.verifier) != 0.0).mean())
    agreement, weight = verifier_evidence(batch)
    agreement, weight = agreement[weight > 0.0], weight[weight > 0.0]
    if not weight.size:
        return density, None, 0.0
    drawn = bootstrap_ratio(weight * agreement, weight)
    half = _NORMAL * 2.0 / float(np.sqrt(weight.sum()))  # of readings that say nothing: a few groups may agree by luck
    low, high = min(drawn.low, drawn.value - half), max(drawn.high, drawn.value + half)
    return density, Estimate(drawn.value, max(low, -1.0), min(high, 1.0)), float(weight.sum())
