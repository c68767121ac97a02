"""Every training-free score of whole trajectories, from one batch with token log-probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from credit_gym.batch import EpisodeBatch
from credit_gym.grouping import FloatArray
from credit_gym.scorers import get, score
from credit_gym.token_scores import aggregate_steps
from credit_gym.uncertainty import auroc

STEP_SCORES: dict[str, dict[str, Any]] = {
    "progress_advantage": {},
    "progress_advantage_centred": {},
    "policy_logprob": {},
    "reference_logprob": {},
    "self_certainty": {},
    "negative_entropy": {},
}
"""Scorers whose options include ``tokens``."""

_CHANCE = 1_000_003  # a stream that nothing else draws from

TOKENS = ("mean", "sum", "last", "min", "max")
STEPS = ("mean", "sum", "last", "min", "max", "bottom10")


def trajectory_scores(batch: EpisodeBatch, *, tokens: str = "mean", steps: str = "mean") -> dict[str, FloatArray]:
    """Return every score that the batch's columns allow, and the controls.

    The aggregation is the same for all and chosen beforehand; DeepConf's two forms fix the one over steps.

    Args:
        batch: the episodes.
        tokens: token aggregation.
        steps: step aggregation.

    Returns:
        Name -> (E,) float64, higher meaning success; NaN where an episode has no step.
    """
    found = {
        name: aggregate_steps(score(batch, name, tokens=tokens), batch.offsets, steps)
        for name in STEP_SCORES
        if all(getattr(batch, column) is not None for column in get(name).needs)
    }
    if "self_certainty" in found:
        certainty = score(batch, "self_certainty", tokens=tokens)
        found["deepconf_tail"] = aggregate_steps(certainty, batch.offsets, "last")
        found["deepconf_bottom10"] = aggregate_steps(certainty, batch.offsets, "bottom10")
    return found | controls(batch)


def controls(batch: EpisodeBatch) -> dict[str, FloatArray]:
    """The scores that know nothing of probabilities: fewer steps, fewer tokens, and chance."""
    found = {"fewer steps": -batch.lengths.astype(np.float64)}
    if batch.logprob_offsets is not None:
        found["fewer tokens"] = aggregate_steps(score(batch, "brevity"), batch.offsets, "sum")
    found["random"] = np.random.default_rng(_CHANCE).random(batch.num_episodes)
    return found


def nested_choice(batch: EpisodeBatch, name: str, *, folds: int = 5) -> tuple[float, tuple[tuple[str, str], ...]]:
    """AUROC of a score whose aggregation is tuned honestly: chosen on the other tasks, measured on the held-out ones.

    Tasks are dealt to folds by their number. The best of thirty aggregations chosen on the very episodes it is reported
    on would beat chance by several points with scores that know nothing.

    Returns:
        Mean AUROC over the folds that hold both outcomes, and the (token, step) aggregation chosen in each.
    """
    grid = {
        (tokens, steps): aggregate_steps(score(batch, name, tokens=tokens), batch.offsets, steps)
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


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.0
