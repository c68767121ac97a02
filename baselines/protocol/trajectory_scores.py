"""Every training-free score of whole trajectories, from one batch with token log-probabilities."""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.token_scores import aggregate_steps, aggregate_tokens
from credit_gym.metrics.discrimination import auroc, ranked_worst
from credit_gym.scorers import get, score

STEP_SCORES = (
    "progress_advantage",
    "progress_advantage_centred",
    "policy_logprob",
    "reference_logprob",
    "self_certainty",
    "negative_entropy",
)
"""Scorers whose options include ``tokens``."""

_CHANCE = 1_000_003  # a stream that nothing else draws from
_TWO_MODES = ("progress_advantage", "self_certainty")
_ZERO_UPSTREAM = ("progress_advantage", "policy_logprob", "reference_logprob")

TOKENS = ("mean", "sum", "last", "min", "max")
STEPS = ("mean", "sum", "last", "min", "max", "bottom10")


def trajectory_scores(
    batch: EpisodeBatch, *, tokens: str = "mean", steps: str = "mean", mode: Mode = "default"
) -> dict[str, FloatArray]:
    """Return every score that the batch's columns allow, and the controls.

    The aggregation is the same for all and chosen beforehand; DeepConf's two forms fix the one over steps. A step
    without tokens is left out. ``upstream`` computes as progress-advantage's code: each model is aggregated by itself,
    such a step counts as 0 except in certainties, and certainty has the published sign turned round.

    Args:
        batch: the episodes.
        tokens: token aggregation.
        steps: step aggregation.
        mode: see above.

    Returns:
        Name -> (E,) float64, higher meaning success; NaN where an episode has no step.
    """
    found = {name: step_scores(batch, name, tokens=tokens, mode=mode) for name in STEP_SCORES if _possible(batch, name)}
    aggregated = {name: aggregate_steps(values, batch.offsets, steps) for name, values in found.items()}
    if "self_certainty" in found:
        for name, forced in (("deepconf_tail", "last"), ("deepconf_bottom10", "bottom10")):
            aggregated[name] = aggregate_steps(found["self_certainty"], batch.offsets, forced)
    return aggregated | controls(batch)


def step_scores(batch: EpisodeBatch, name: str, *, tokens: str = "mean", mode: Mode = "default") -> FloatArray:
    """Return (S,) scores of the steps, NaN for a step without a reading; ``upstream`` has 0 there but in certainties.

    Args:
        batch: the episodes.
        name: one of :data:`STEP_SCORES`.
        tokens: token aggregation.
        mode: see :func:`trajectory_scores`.
    """
    values = score(batch, name, tokens=tokens, **({"mode": mode} if name in _TWO_MODES else {}))
    unread = np.any([np.isnan(batch.require(column)) for column in get(name).needs], axis=0)
    missing = np.isnan(aggregate_tokens(np.where(unread, np.nan, 0.0), batch.require("logprob_offsets"), "sum"))
    return np.where(missing, 0.0 if is_upstream(mode) and name in _ZERO_UPSTREAM else np.nan, values)


def controls(batch: EpisodeBatch) -> dict[str, FloatArray]:
    """The scores that know nothing of probabilities: fewer steps, fewer tokens, and chance."""
    found = {"fewer steps": -batch.lengths.astype(np.float64)}
    if batch.logprob_offsets is not None:
        found["fewer tokens"] = aggregate_steps(
            -np.diff(batch.logprob_offsets).astype(np.float64), batch.offsets, "sum"
        )
    found["random"] = np.random.default_rng(_CHANCE).random(batch.num_episodes)
    return found


def nested_choice(
    batch: EpisodeBatch, name: str, *, folds: int = 5, mode: Mode = "default"
) -> tuple[float, tuple[tuple[str, str], ...]]:
    """AUROC of a score whose aggregation is tuned honestly: chosen on the other tasks, measured on the held-out ones.

    Tasks are dealt to folds by their number. The best of thirty aggregations chosen on the very episodes it is reported
    on would beat chance by several points with scores that know nothing.

    Returns:
        Mean AUROC over the folds that hold both outcomes, and the (token, step) aggregation chosen in each.
    """
    of_steps = {tokens: step_scores(batch, name, tokens=tokens, mode=mode) for tokens in TOKENS}
    grid = {
        (tokens, steps): ranked_worst(aggregate_steps(of_steps[tokens], batch.offsets, steps))
        for tokens in TOKENS
        for steps in STEPS
    }
    fold = batch.task % folds
    values, chosen = [], []
    for held_out in range(folds):
        test = fold == held_out
        if batch.success[test].all() or not batch.success[test].any():
            continue
        best = max(grid, key=lambda pair: _finite(auroc(grid[pair][~test], batch.success[~test])))
        values.append(auroc(grid[best][test], batch.success[test]))
        chosen.append(best)
    return float(np.mean(values)) if values else float("nan"), tuple(chosen)


def _possible(batch: EpisodeBatch, name: str) -> bool:
    return all(getattr(batch, column) is not None for column in get(name).needs)


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0
