"""How far a verifier can be trusted, learned from outcomes: do its readings tell what is won from what is lost?

An episode's evidence is the sum of its centred readings, but for that of the step that ends it: what is said of that
step is said with the outcome at hand, as of a right guess, and does not tell won from lost before. Centred at its state
a reading has mean 0 under the policy, so an episode does not score higher for being longer, and a verifier that rewards
waiting where waiting does no harm agrees with nothing. Within a group the sums of the episodes above its mean return
are compared with the others' by Somers' D; a group without both kinds says nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, compact, group_mean, group_power, group_size, group_sum

MEMORY = 0.9
_DIGITS = 9  # sums that agree to so many digits, relative to the largest, are ties: their difference is rounding


class Trust(NamedTuple):
    """What is known of a verifier: how well it agrees with the outcomes, and how much evidence that rests on.

    Attributes:
        agreement: Somers' D, in [-1, 1]: 1 where every won episode of a group reads higher than every lost one, 0 where
            the readings say nothing, below 0 where they mislead.
        weight: ``12 n m / (n + m + 1)`` summed over groups of n won and m lost episodes, which is 4 over the variance
            of D where the readings say nothing (Mann & Whitney 1947): about 12 for each that is won among many lost.
    """

    agreement: float
    weight: float

    def after(self, seen: Trust, prior: Trust | None = None, *, memory: float = MEMORY) -> Trust:
        """Return what is known once more was seen; older evidence fades as the policy that it was about does.

        Args:
            seen: the evidence of a batch.
            prior: what was known before any evidence. It does not fade: a verifier that nothing bears out any more
                comes back to it. None is no prior.
            memory: share of the older evidence that is kept, in [0, 1].
        """
        first, lasting = (0.0, 0.0) if prior is None else prior
        kept = memory * max(self.weight - lasting, 0.0)
        told = memory * (self.weight * self.agreement - lasting * first)
        weight = lasting + kept + seen.weight
        mean = (lasting * first + told + seen.weight * seen.agreement) / weight if weight > 0.0 else 0.0
        return Trust(min(max(mean, -1.0), 1.0), weight)


UNKNOWN = Trust(0.0, 6.0)
"""A verifier of which nothing is known: it counts once outcomes have borne it out."""
EXACT = Trust(1.0, 60.0)
"""A verifier whose environment declares it to be an exact potential: it counts until outcomes belie it."""


def evidence(batch: EpisodeBatch, centred: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what each group says of a verifier.

    Args:
        batch: the episodes.
        centred: (S,) float64 readings, less their mean at their state; 0 where there is none.

    Returns:
        agreement: (groups,) Somers' D in [-1, 1], 0 in a group without both won and lost episodes.
        weight: (groups,) the evidence behind it, 0 there.
    """
    groups = batch.num_groups
    won = above_mean(batch)
    before = ~(batch.is_last & batch.terminated[batch.episode])
    total = group_sum(centred * before, batch.episode, batch.num_episodes)
    unit = float(np.max(np.abs(total), initial=0.0)) or 1.0
    rank = _midranks(np.round(total / unit, _DIGITS), batch.group)
    wins = group_sum(won, batch.group, groups)
    losses = group_size(batch.group, groups) - wins
    pairs = wins * losses
    above = group_sum(rank * won, batch.group, groups) - wins * (wins + 1) / 2  # Mann & Whitney's U
    agreement = np.divide(2.0 * above, pairs, out=np.ones(groups), where=pairs > 0) - 1.0
    return np.where(pairs > 0, agreement, 0.0), 12.0 * pairs / (wins + losses + 1.0)


def trust_from(batch: EpisodeBatch, centred: FloatArray) -> Trust:
    """Return what a batch says of a verifier, for :meth:`Trust.after`; the arguments are those of :func:`evidence`."""
    agreement, weight = evidence(batch, centred)
    total = float(weight.sum())
    return Trust(float(weight @ agreement) / total if total > 0.0 else 0.0, total)


def above_mean(batch: EpisodeBatch) -> BoolArray:
    """Whether an episode returned more than the mean of its group; (E,)."""
    returns = batch.episode_return
    returns = returns / group_power(returns, batch.group, batch.num_groups)[batch.group]  # their sum may overflow
    mean = group_mean(returns, batch.group, batch.num_groups)[batch.group]
    return returns - mean > 1e-9 * np.abs(mean)


def _midranks(values: FloatArray, group: np.ndarray) -> FloatArray:
    """Rank of each value in its group, from 1; equal values share the mean of theirs."""
    order = np.lexsort((values, group))
    tie, ties = compact(group, np.unique(values, return_inverse=True)[1])
    position = np.empty(values.size)
    position[order] = np.arange(values.size)
    sizes = np.bincount(group)
    first = np.cumsum(sizes) - sizes
    return group_mean(position - first[group] + 1.0, tie, ties)[tie]
