"""Credit from the agent's own belief in the truth: what each step did to log b.

``c_t = log b_{t+1} - log b_t``, rectified as published (Auzina et al. 2026, DeltaBelief-RL, arXiv:2602.12342), measured
from the highest belief so far, or against distractors; IGPO (2025, arXiv:2510.14967) takes b in place of its logarithm.
A belief of exactly 0 (-inf) has the floor of :func:`~credit_gym.estimation.log_beliefs.log_beliefs`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray, IntArray, compact, discounted_sum, group_mean, group_size, group_std
from credit_gym.estimation.critic import point_before
from credit_gym.estimation.log_beliefs import log_beliefs
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.normalise import standardise
from credit_gym.estimation.ranges import Positive, Range, Share
from credit_gym.estimation.running_max import running_max
from credit_gym.scorers.registry import register

Squash = Literal["none", "relu", "tanh", "sigmoid", "clamp", "group_min_max"]
Centre = Literal["none", "batch", "group", "episode"]
Scale = Literal["none", "batch", "group"]

_EPSILON = 1e-8
_CLAMP = 2.0
_REFERENCE = "Auzina et al. 2026, DeltaBelief-RL, arXiv:2602.12342"


@register("delta_belief", needs={"log_belief"}, reference=_REFERENCE)
def delta_belief(
    batch: EpisodeBatch,
    *,
    squash: Squash = "relu",
    centre: Centre = "none",
    scale: Scale = "none",
    temperature: Positive = 1.0,
    winning_turn: bool = False,
    mode: Mode = "default",
) -> FloatArray:
    """A step gets the rise of the log-belief in the truth that it brought about, centred, scaled and squashed.

    ``c_t = squash((dB_t - centre) / scale)``, ``dB_t = log b_{t+1} - log b_t``. The published run is ``squash="relu"``;
    its ablations are "tanh" (of ``temperature * dB``), "sigmoid", "clamp" (to [-2, 2]), "group_min_max" (the rectified
    gain, min-max scaled within the group at its turn) and "none" with ``winning_turn`` (the raw gain). "batch" and
    "group" centre and scale at each turn index over the episodes that reach it, "episode" centres over the turns of
    the episode; scales are population deviations, and who is alone is not scaled.

    Only the raw gain telescopes to ``log b_T - log b_0``: rectifying pays an oscillating belief again and again
    (:func:`high_water_mark` does not).

    Args:
        batch: the episodes, with beliefs.
        squash: last transformation.
        centre: what is subtracted first.
        scale: what divides the centred gain.
        temperature: slope of "tanh", in (0, inf).
        winning_turn: whether the last step of a solved episode, whose answer gives the truth away, counts; it is left
            out of every mean, and gets 0, otherwise.
        mode: "default" gives 0 to steps that the environment refused (column ``invalid``); "upstream" lets them earn,
            and squashes the winning turn as a gain of 0, which "sigmoid" makes 1/2.

    Returns:
        (S,) float64, nats for "none", "relu" and "clamp", else without unit; 0 where a belief is missing.
    """
    gain = _gain(batch)
    counts = ~np.isnan(gain)
    if not winning_turn:
        counts &= ~(batch.is_last & batch.success[batch.episode])
    if not is_upstream(mode) and batch.invalid is not None:
        counts &= ~batch.invalid
    credit = np.zeros(batch.num_steps)
    chosen = np.flatnonzero(counts)
    values = gain[chosen]
    turns, turn_count = compact(batch.step[chosen])
    peers, peer_count = compact(batch.step_group[chosen], batch.step[chosen])
    ids = {
        "batch": (turns, turn_count),
        "group": (peers, peer_count),
        "episode": (batch.episode[chosen], batch.num_episodes),
    }
    if centre != "none":
        values = values - group_mean(values, *ids[centre])[ids[centre][0]]
    if scale != "none":
        members, count = ids[scale]
        deviation = np.where(group_size(members, count) > 1, group_std(values, members, count) + _EPSILON, 1.0)
        values = values / deviation[members]
    credit[chosen] = _SQUASHES[squash](values, temperature, peers, peer_count)
    if is_upstream(mode) and not winning_turn:
        won = np.flatnonzero(batch.is_last & batch.success[batch.episode] & ~np.isnan(gain))
        alone = np.arange(won.size, dtype=np.int64)
        credit[won] = _SQUASHES[squash](np.zeros(won.size), temperature, alone, won.size)
    return credit


@register("high_water_mark", needs={"log_belief"}, scope="episode", reference="credit_gym: telescoping delta-belief")
def high_water_mark(
    batch: EpisodeBatch, *, cap: Annotated[float, Range("[0, inf]")] = np.inf, mode: Mode = "default"
) -> FloatArray:
    """A step gets what it added to the highest log-belief so far.

    ``c_t = min(cap, max(0, log b_{t+1} - max_{s<=t} log b_s))``. Without a cap the credits of an episode sum to
    ``max_t log b_t - log b_0``, so no sequence of steps can farm it: losing belief and regaining it pays nothing.

    Args:
        batch: the episodes, with beliefs; a missing one neither earns nor raises the mark.
        cap: most that one step can earn, nats, in [0, inf].
        mode: "default" gives 0 to steps that the environment refused (column ``invalid``), "upstream" lets them earn.

    Returns:
        (S,) float64, nats, never negative.
    """
    belief = log_beliefs(batch)
    mark = running_max(np.where(np.isnan(belief), -np.inf, belief), batch)
    before = point_before(batch)
    known = np.isfinite(mark[before])
    rise = np.subtract(mark[before + 1], mark[before], out=np.zeros(batch.num_steps), where=known)
    if not is_upstream(mode) and batch.invalid is not None:
        rise = np.where(batch.invalid, 0.0, rise)
    return np.minimum(rise, cap)


@register(
    "contrastive",
    needs={"log_belief", "distractor_log_belief"},
    scope="episode",
    reference="credit_gym: delta-belief against distractors",
)
def contrastive(batch: EpisodeBatch, *, positive: bool = False) -> FloatArray:
    """A step gets the rise of the log-probability of the truth among the truth and its distractors.

    ``c_t = q_{t+1} - q_t``, ``q_t = log b_t - log(b_t + D_t)`` with D the summed belief in the distractors (column
    ``distractor_log_belief``, its logarithm). What raises every answer alike, such as a longer dialogue, cancels.

    Args:
        batch: the episodes, with beliefs in the truth and in the distractors.
        positive: keep rises only (``max(0, c_t)``), as the published delta-belief does.

    Returns:
        (S,) float64, nats; telescopes to ``q_T - q_0`` unless ``positive``; 0 where a belief is missing.
    """
    belief = log_beliefs(batch)
    with np.errstate(invalid="ignore"):  # numpy warns of the NaNs that stand for missing beliefs
        relative = belief - np.logaddexp(belief, log_beliefs(batch, "distractor_log_belief"))
    before = point_before(batch)
    rise = np.nan_to_num(relative[before + 1] - relative[before])
    return np.asarray(np.maximum(rise, 0.0) if positive else rise)


@register("igpo", needs={"log_belief"}, reference="IGPO 2025, arXiv:2510.14967; A2TGPO 2026, arXiv:2605.06200")
def igpo(
    batch: EpisodeBatch,
    *,
    tokens: Annotated[int, Range("[1, inf)")] = 1,
    discount: Share = 1.0,
    weight: float = 1.0,
    by_turn: bool = False,
    rescale: bool = False,
) -> FloatArray:
    """A step gets the standardised, discounted rise of the probability of the truth; the last one the outcome.

    ``r_t = p_{t+1} - p_t`` before the last step and the episode's return at it, ``p = exp(log b / tokens)`` (the
    length-normalised probability of a target of that many tokens); ``c_t = sum_{k>=t} g^{k-t} z_k`` with z the
    rewards standardised over all steps of the group. ``by_turn`` and ``rescale`` are A2TGPO's, whose run has both and
    weighs gains by 0.3: gains at different depths are not alike, and sums of more of them vary more.

    Args:
        batch: the episodes, with beliefs.
        tokens: tokens of the target, in [1, inf).
        discount: g in [0, 1].
        weight: of the standardised gains, against that of the outcome, 1.
        by_turn: standardise gains within the group at their turn index, and outcomes within the group, apart.
        rescale: ``c_t = sum_{t<=k<T-1} g^{k-t} z_k / sqrt(T - 1 - t) + z_{T-1}``: the sum of gains over the root of
            their number, and the outcome undiscounted.

    Returns:
        (S,) float64, in standard deviations.
    """
    belief: FloatArray = batch.require("log_belief")  # of which only the exponential counts, 0 included
    probability = np.exp(belief / tokens)
    before = point_before(batch)
    gain = np.nan_to_num(probability[before + 1] - probability[before])
    if by_turn:
        turns, turn_count = compact(batch.step_group, 2 * batch.step + batch.is_last)  # no outcome among the gains
        outcome = standardise(batch.episode_return, batch.group, batch.num_groups)[batch.episode]
        z = np.where(batch.is_last, outcome, weight * standardise(gain, turns, turn_count))
    else:
        reward = np.where(batch.is_last, batch.episode_return[batch.episode], gain)
        z = standardise(reward, batch.step_group, batch.num_groups)
        z = np.where(batch.is_last, z, weight * z)
    if not rescale:
        return discounted_sum(z, batch.offsets, discount)
    end = batch.offsets[1:][batch.episode] - 1
    gains = discounted_sum(np.where(batch.is_last, 0.0, z), batch.offsets, discount)
    terms = np.maximum(end - np.arange(batch.num_steps), 1)
    return np.asarray(gains / np.sqrt(terms) + z[end])


def _gain(batch: EpisodeBatch) -> FloatArray:
    """The rise of the recorded log-belief across each step, ``log b_{t+1} - log b_t``.

    Where the batch has a column ``anchor_log_belief`` (beliefs of a slowly following copy of the model, the "EMA"
    variant), the belief before the step is taken from it.

    (S,) nats; NaN where either belief is missing.
    """
    belief = log_beliefs(batch)
    anchor = belief if batch.anchor_log_belief is None else log_beliefs(batch, "anchor_log_belief")
    before = point_before(batch)
    gain: FloatArray = belief[before + 1] - anchor[before]
    return gain


def _group_min_max(values: FloatArray, _: float, ids: IntArray, count: int) -> FloatArray:
    rectified = np.maximum(values, 0.0)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, ids, rectified)
    np.maximum.at(high, ids, rectified)
    return np.asarray((rectified - low[ids]) / (high - low + _EPSILON)[ids])


_SQUASHES: dict[str, Callable[[FloatArray, float, IntArray, int], FloatArray]] = {
    "none": lambda values, *_: values,
    "relu": lambda values, *_: np.maximum(values, 0.0),
    "tanh": lambda values, temperature, *_: np.tanh(temperature * values),
    "sigmoid": lambda values, *_: 1.0 / (1.0 + np.exp(-values)),
    "clamp": lambda values, *_: np.clip(values, -_CLAMP, _CLAMP),
    "group_min_max": _group_min_max,
}
