"""The methods that the counterfactual baseline compares: where episodes branch, and who credits them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from credit_gym.agents.replay.allocation import Adaptive, Allocation, FanOut, PerDecision


@dataclass(frozen=True)
class Method:
    """One line of a comparison: episodes from an allocation, credited by a scorer.

    Attributes:
        label: its name in the table.
        allocation: where its episodes branch.
        scorer: a registered scorer.
        options: its options.
    """

    label: str
    allocation: Allocation
    scorer: str
    options: Mapping[str, Any] = field(default_factory=dict)


def team_methods(fanout: FanOut, flat: int) -> list[Method]:
    """Return the methods on a product tree, and on ``flat`` independent episodes with a group baseline."""
    alone = FanOut((flat,))
    on_tree = [
        Method("c3", fanout, "c3"),
        Method("c3, mean baseline", fanout, "c3", {"baseline": "mean"}),
        Method("c3, upstream", fanout, "c3", {"mode": "upstream"}),
        Method("c3, critic-assisted", fanout, "c3", {"variant": "value_assisted"}),
        Method("counterfactual", fanout, "counterfactual", {"scale": "none"}),
        Method("counterfactual, shrunk scale", fanout, "counterfactual"),
        Method("vine", fanout, "vine"),
        Method("magrpo, role", fanout, "magrpo", {"level": "role"}),
    ]
    return on_tree + flat_methods(alone)


def flat_methods(alone: FanOut) -> list[Method]:
    """Return the methods on independent episodes with a group baseline."""
    return [
        Method("c3, no replay", alone, "c3", {"replay": False}),
        Method("magrpo, joint", alone, "magrpo"),
        Method("magrpo, joint, upstream", alone, "magrpo", {"mode": "upstream"}),
        Method("mappo, exact critic", alone, "mappo"),
        Method("role_shapley", alone, "role_shapley"),
    ]


def decision_methods(draws: int, replays: int, flat: int, budget: int) -> list[Method]:
    """Return the methods on branched decisions, evenly and by need, and on independent episodes."""
    even, adaptive = PerDecision(draws, replays), Adaptive(draws, 1, budget=budget)
    pooled = {"scale": "none", "draws": draws}
    return [
        Method("counterfactual", even, "counterfactual", pooled),
        Method("counterfactual, adaptive", adaptive, "counterfactual", pooled),
        Method("vine", even, "vine"),
        Method("rloo", FanOut((flat,)), "rloo"),
        Method("mc", FanOut((flat,)), "mc", {"discount": 1.0}),
        Method("crbc", FanOut((flat,)), "crbc"),
    ]
