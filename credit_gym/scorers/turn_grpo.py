"""Turn-wise GRPO: the rewards of the group's episodes compared turn by turn, belief credit among them.

``c_t = (r_t - mean r) / sd r``, r_t the penalty of the turn, the outcome, and ``w (log b_{t+1} - log b_t)`` (Auzina et
al. 2026, DeltaBelief-RL, arXiv:2602.12342); over whole episodes it is StarPO (Wang et al. 2025, arXiv:2504.20073).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, compact, discounted_sum, group_power, group_size, group_sum
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.normalise import RELATIVE_FLOOR, centre, standardise
from credit_gym.estimation.ranges import Share
from credit_gym.scorers.belief import contrastive, delta_belief, high_water_mark
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register

BaselineMask = Literal["pooled", "zero_fill", "active_only"]
Belief = Literal["delta_belief", "high_water_mark", "contrastive"]

_REFERENCE = "Auzina et al. 2026, DeltaBelief-RL (CIA), arXiv:2602.12342"
_BELIEFS: dict[str, Callable[..., FloatArray]] = {
    "delta_belief": delta_belief,
    "high_water_mark": high_water_mark,
    "contrastive": lambda batch, mode: contrastive(batch, positive=True),
}


@register("turn_grpo", reference=_REFERENCE)
def turn_grpo(
    batch: EpisodeBatch,
    *,
    win: float = 1.0,
    length: float = 0.0,
    baseline_mask: BaselineMask = "pooled",
    scale: bool = True,
    mode: Mode = "default",
) -> FloatArray:
    """A step gets the reward of its turn, the outcome included, standardised within the group.

    ``r_t = penalty_t + eog`` with ``eog = win * success + length * T`` (the length term from T = 2 on) given to *every*
    turn and the penalty whatever else the environment paid at it: the rewards are taken to hold ``eog`` at the last
    turn, as ``reward="upstream"`` of the information-seeking games does with ``win=2, length=-0.05``, and their default
    with ``win=1, length=0``. ``c_t = (r_t - mean) / sd`` over

    * "pooled": all turns of the group's episodes. Nothing depends on the turn at which an episode stopped.
    * "zero_fill" (published): the group's episodes at turn t, those that had ended counted as 0; n - 1 deviation plus
      1e-6. Where half the group has won, the survivors are pushed down for merely being there.
    * "active_only": the episodes that reach turn t, n - 1 deviation.

    Args:
        batch: the episodes.
        win: part of the last reward of a solved episode.
        length: part of the last reward per turn, of episodes of two turns or more.
        baseline_mask: what a turn is compared with.
        scale: divide by the deviation.
        mode: "upstream" is "zero_fill", whatever ``baseline_mask`` says.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``).
    """
    mask = "zero_fill" if is_upstream(mode) else baseline_mask
    outcome = win * batch.success + np.where(batch.lengths > 1, length * batch.lengths, 0.0)
    reward = batch.reward + np.where(batch.is_last, 0.0, outcome[batch.episode])
    return _BASELINES[mask](batch, reward, scale)


@register("turn_grpo_belief", needs={"log_belief"}, reference=_REFERENCE)
def turn_grpo_belief(
    batch: EpisodeBatch,
    *,
    weight: float = 0.5,
    belief: Belief = "delta_belief",
    return_to_go: Share | None = None,
    win: float = 1.0,
    length: float = 0.0,
    baseline_mask: BaselineMask = "pooled",
    scale: bool = True,
    mode: Mode = "default",
) -> FloatArray:
    """Turn-wise GRPO with belief credit added to the reward of each turn (the published method is called CIA).

    ``r_t = penalty_t + eog + w d_t``, else as :func:`turn_grpo`.

    Fails to stay ahead: in front of trajectory GRPO early on, it was level with it in the end
    (``docs/delta_belief.md``).

    Args:
        batch: the episodes, with beliefs.
        weight: w; keep ``w`` times the gain of a whole episode below the outcome, or guessing is unlearned.
        belief: which credit ``d_t`` is.
        return_to_go: discount g in [0, 1] of ``sum_{k>=t} g^{k-t} w d_k`` in place of ``w d_t``. With a rectified gain
            this pays a policy for talking its belief down first, and training collapses; off by default.
        win: as :func:`turn_grpo`.
        length: as :func:`turn_grpo`.
        baseline_mask: as :func:`turn_grpo`.
        scale: as :func:`turn_grpo`.
        mode: "upstream" is the published run but for its weight of 0.1: zero-filled baseline, refused turns earn.

    Returns:
        (S,) float64, in standard deviations (in reward units without ``scale``).
    """
    earned = weight * _BELIEFS[belief](batch, mode=mode)
    if return_to_go is not None:
        earned = discounted_sum(earned, batch.offsets, return_to_go)
    earning = replace(batch, reward=batch.reward + earned)
    return turn_grpo(earning, win=win, length=length, baseline_mask=baseline_mask, scale=scale, mode=mode)


@register("starpo", reference="Wang et al. 2025, RAGEN (StarPO), arXiv:2504.20073; the baseline of arXiv:2602.12342")
def starpo(batch: EpisodeBatch, *, mode: Mode = "default") -> FloatArray:
    """Every step gets the standardised total reward of its episode, penalties included: trajectory-level GRPO.

    ``c_t = (R_i - mean_j R_j) / sd_j R_j``, R the sum of all rewards of the whole interaction.

    Args:
        batch: the episodes.
        mode: "default" takes the population deviation; "upstream" is that of :func:`~credit_gym.scorers.outcome.grpo`:
            the sample deviation plus 1e-6, and the raw return for an episode alone in its group.

    Returns:
        (S,) float64, in standard deviations; 0 for an episode alone in its group.
    """
    return grpo(batch, mode=mode)


def _pooled(batch: EpisodeBatch, reward: FloatArray, scale: bool) -> FloatArray:
    return (standardise if scale else centre)(reward, batch.step_group, batch.num_groups)


def _by_turn(batch: EpisodeBatch, reward: FloatArray, scale: bool, *, zero_fill: bool) -> FloatArray:
    """Deviation n - 1 over the members of each (group, turn); absent ones are zeros, or left out."""
    turn, count = compact(batch.step_group, batch.step)
    present = group_size(turn, count)
    power = group_power(reward, turn, count)
    reward = reward / power[turn]
    members = present
    if zero_fill:
        members = np.zeros(count, dtype=np.int64)
        members[turn] = group_size(batch.group, batch.num_groups)[batch.step_group]
    mean = group_sum(reward, turn, count) / np.maximum(members, 1)
    mean = np.where(members > 1, mean, 0.0) if zero_fill else mean
    centred = reward - mean[turn]
    if not scale:
        return centred * power[turn]
    squares = group_sum(centred * centred, turn, count) + (members - present) * mean * mean
    deviation = np.sqrt(squares / np.maximum(members - 1, 1))
    if zero_fill:
        return centred / np.where(members > 1, deviation + 1e-6 / power, 1.0)[turn]
    floor = RELATIVE_FLOOR * np.sqrt(group_sum(reward * reward, turn, count) / np.maximum(members, 1))
    return centred * np.divide(1.0, deviation, out=np.zeros(count), where=deviation > floor)[turn]


def _zero_fill(batch: EpisodeBatch, reward: FloatArray, scale: bool) -> FloatArray:
    return _by_turn(batch, reward, scale, zero_fill=True)


def _active_only(batch: EpisodeBatch, reward: FloatArray, scale: bool) -> FloatArray:
    return _by_turn(batch, reward, scale, zero_fill=False)


_BASELINES: dict[str, Callable[[EpisodeBatch, FloatArray, bool], FloatArray]] = {
    "pooled": _pooled,
    "zero_fill": _zero_fill,
    "active_only": _active_only,
}
