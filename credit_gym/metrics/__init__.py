"""How good credits, scores and agents are, and the statistics that say how sure that is.

- Credits: ``fidelity`` (against exact advantages), ``differentiation`` (how many states they tell apart),
  ``replay_fidelity`` and ``influence`` (what replays say, from ``bucket``), ``attribution`` (the decisive error),
  ``step_labels`` (what people said of each step).
- Scores of episodes: ``discrimination`` (AUROC, average precision), ``best_of_n`` (what choosing by them is worth).
- Agents: ``pass_at_k``, ``information`` (Mean@k, success by budget, repeats), ``paired`` (two on the same tasks).
- ``statistics``: the one rank correlation, bootstrap and paired interval that all of them use.
"""

from __future__ import annotations

from credit_gym.metrics.statistics import (
    Estimate,
    bootstrap,
    bootstrap_mean,
    paired_difference,
    spearman,
    t_interval,
)

__all__ = ["Estimate", "bootstrap", "bootstrap_mean", "paired_difference", "spearman", "t_interval"]
