"""C3: contextual counterfactual credit for teams (arXiv:2603.06859)."""

from __future__ import annotations

from credit_gym.baselines.claims.claim import Cell, Claim, overlap
from credit_gym.baselines.claims.reproduction import Reproduction

_TREE, _FLAT, _FIRST = "tree 2x4 and 8 flat episodes", "5 flat episodes, matched messages", "the first message, 6 draws"
_COST = "c3 minus each credit at equal cost"

REPRODUCTIONS = (
    Reproduction(
        "counterfactual",
        "how true counterfactual credit is, on exact games",
        "C3, its mechanism",
        "studies.counterfactual",
        quick=("--questions", "40"),
        quick_seconds=7.7,
        large="--env ID --agent SPEC",
        claims=(
            Claim(
                "the credit is unbiased for Q - V",
                "stated",
                (Cell(_TREE, "c3", "slope", "its slope on the exact advantage"),),
                holds=lambda slope: slope.low <= 1.0 <= slope.high,
            ),
            Claim(
                "its noise is s^2 / c * n / (n - 1)",
                "stated",
                (Cell(_FIRST, "noise, measured", "value"), Cell(_FIRST, "noise, predicted", "value")),
                holds=overlap,
            ),
            Claim(
                "its fidelity is higher than MAGRPO's and MAPPO's",
                "0.270, higher than theirs",
                (
                    Cell(_TREE, "c3", "spearman"),
                    Cell(_FLAT, "magrpo, joint", "spearman", "MAGRPO at equal messages"),
                    Cell(_FLAT, "mappo, exact critic", "spearman", "MAPPO at equal messages"),
                ),
                holds=lambda c3, magrpo, mappo: c3.value > max(magrpo.value, mappo.value),
            ),
        ),
    ),
    Reproduction(
        "team-training",
        "training a team with counterfactual credit, at equal messages and at equal evaluator calls",
        "C3, its training curves",
        "studies.team_training",
        ("--folder", "{team-training}", "--seeds", "5", "--steps", "160"),
        quick=("--seeds", "2", "--steps", "40"),
        quick_seconds=36,
        claims=(
            Claim(
                "trains faster at an equal budget",
                "yes",
                (
                    Cell(_COST, "magrpo, same tokens", "equal messages", "less MAGRPO at equal messages"),
                    Cell(_COST, "mappo, same tokens", "equal messages", "less MAPPO at equal messages"),
                ),
                holds=lambda magrpo, mappo: magrpo.low > 0.0 and mappo.low > 0.0,
            ),
            Claim(
                "MATH500 with Qwen3-4B: C3 against MAGRPO and MAPPO",
                "82.80 against 74.52 and 69.28 %",
                wants="that model",
            ),
        ),
    ),
)
