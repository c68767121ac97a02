"""Milestone credit: a step is worth more the sooner it was followed by progress that the episode had not made before.

``c_t = A^E + w (r_t - mean r)``, ``r_t = g^(m - t)`` with m the next milestone at or after t, 0 where none follows; the
mean is over the group's steps with as many milestones behind them (BEACON 2026, MiGPO, arXiv:2605.06078).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, IntArray, compact
from credit_gym.estimation.milestones import milestones
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.normalise import centre, standardise, standardise_upstream
from credit_gym.estimation.ranges import NonNegative, Share
from credit_gym.scorers.gigpo import gigpo
from credit_gym.scorers.outcome import grpo
from credit_gym.scorers.registry import register

_UPSTREAM_REWARD = 10.0


@register("milestone", needs={"verifier"}, reference="BEACON 2026, MiGPO, arXiv:2605.06078, and ZJU-REAL/BEACON")
def milestone(
    batch: EpisodeBatch,
    *,
    discount: Share = 0.99,
    weight: float = 1.0,
    rise: NonNegative = 1e-6,
    scale: bool = False,
    mode: Mode = "default",
) -> FloatArray:
    """A step gets its episode's advantage plus how near a milestone it was, against others on the way to the same one.

    ``c_t = A^E + w (r_t - mean r) / F(r)``. A milestone is a step that takes the sum of the verifier's readings above
    the highest it has had in the episode, by more than ``rise``; ``r_t = g^(m - t)`` for the steps of a segment that
    ends in a milestone at step m, and 0 after the last one. The mean is over the steps of the group in the segment of
    the same number, from 0. The published milestones are an expert's actions, or a detector's; both know the goal, as a
    verifier does.

    Args:
        batch: the episodes, with verifier readings.
        discount: g in [0, 1].
        weight: w.
        rise: least rise of the verifier's sum over its highest, in [0, inf), verifier units; coarser milestones make
            longer segments.
        scale: divide both terms by the standard deviations of what they compare; False, as published, sets F = 1.
        mode: "default" counts each episode once in A^E. "upstream" follows the published code: rewards r of 10 in place
            of 1, which its returns are too; A^E's mean over all *steps* of the group, and no centring in a group of a
            single step; sample deviations plus 1e-6.

    Returns:
        (S,) float64, in reward units plus w times a number in [-1, 1] (in standard deviations with ``scale``); a
        segment that no other step of the group shares adds 0.
    """
    reached = milestones(batch, rise)
    reward = _nearness(batch, reached, discount)
    segment, count = compact(batch.step_group, _behind(batch, reached))
    if is_upstream(mode):
        normalise = standardise_upstream if scale else centre
        outcome = gigpo(batch, weight=0.0, scale=scale, mode="upstream")
        return outcome + weight * normalise(_UPSTREAM_REWARD * reward, segment, count)
    return grpo(batch, scale=scale) + weight * (standardise if scale else centre)(reward, segment, count)


def _nearness(batch: EpisodeBatch, reached: BoolArray, discount: float) -> FloatArray:
    """``g^(m - t)`` with m the episode's next milestone at or after t, 0 where there is none; (S,)."""
    here = np.arange(batch.num_steps)
    following = np.minimum.accumulate(np.where(reached, here, batch.num_steps)[::-1])[::-1]
    ahead = following < batch.offsets[1:][batch.episode]
    return np.where(ahead, discount ** np.where(ahead, following - here, 0), 0.0)


def _behind(batch: EpisodeBatch, reached: BoolArray) -> IntArray:
    """How many milestones of the episode lie before each step; (S,) int64."""
    before = np.concatenate([[0], np.cumsum(reached, dtype=np.int64)])
    behind: IntArray = before[:-1] - before[batch.offsets[batch.episode]]
    return behind
