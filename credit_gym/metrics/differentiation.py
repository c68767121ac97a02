"""How many states a scorer tells the actions of apart: their mean credits, and the share of states where those differ.

The share is the published measure of how dense a credit is; :mod:`credit_gym.metrics.fidelity` says whether it is
right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from credit_gym.data.target import TrainingTarget

PreferenceTable = dict[str, dict[str, float]]
"""Mean credit of each action seen in each state: ``{state_key: {action: mean credit}}``."""


def preference_table(targets: Iterable[TrainingTarget]) -> PreferenceTable:
    """Return the mean credit of every action seen in every state: ``{state_key: {action: mean credit}}``."""
    totals: dict[str, dict[str, tuple[float, int]]] = {}
    for target in targets:
        actions = totals.setdefault(target.state_key, {})
        total, count = actions.get(target.action, (0.0, 0))
        actions[target.action] = total + target.credit, count + 1
    return {
        state: {action: total / count for action, (total, count) in actions.items()}
        for state, actions in totals.items()
    }


def differentiated(table: Mapping[str, Mapping[str, float]], threshold: float = 0.01) -> float:
    """Return the share of states whose actions a scorer tells apart.

    A state is differentiated when at least two actions were seen in it and their mean credits span more than
    ``threshold``. The share is of all states, as in the experiment that introduced the number, so states with a single
    action count against it. It measures how dense a signal is, not whether it is right: a random scorer gets close to
    its maximum.

    Args:
        table: mean credits, from :func:`preference_table`.
        threshold: least span that counts, in the scorer's units.

    Returns:
        A share in [0, 1]; 0 for an empty table.
    """
    spans = [max(means.values()) - min(means.values()) for means in table.values()]
    return sum(span > threshold for span in spans) / len(spans) if spans else 0.0
