"""What the project claims of itself: which credit trains fastest, and where."""

from __future__ import annotations

from credit_gym.baselines.claims.claim import Cell, Claim
from credit_gym.baselines.claims.reproduction import Reproduction

_COST, _RATIO = "Cost of reaching the success", "ratio of episodes"
_GAMES = ("Stochastic", "ALFWorld", "20 Questions", "MultiAgentMath")
_HALF = 0.5

REPRODUCTIONS = (
    Reproduction(
        "headline",
        "which credit trains fastest, at equal sampled tokens",
        "ours",
        "studies.headline",
        ("--folder", "{headline}", "--seeds", "5"),
        quick=("--seeds", "2", "--share", "0.2"),
        quick_seconds=176,
        claims=(
            Claim(
                "a credit per step reaches GRPO's final success in half the episodes, on two of three environments",
                "the project's own aim",
                tuple(Cell(_COST, (game, "evidence_lambda"), _RATIO, game) for game in _GAMES),
                holds=lambda *ratios: sum(ratio.value <= _HALF for ratio in ratios) >= 2,
                wants="with messages on offer",
            ),
        ),
    ),
    Reproduction(
        "regimes",
        "where a credit per step pays: every scorer raced over the map",
        "ours",
        "studies.regimes",
        quick=("--seeds", "2", "--pilots", "2", "--scorers", "exact advantage,evidence_lambda,grpo,td_error"),
        quick_seconds=62,
    ),
    Reproduction(
        "creditbench",
        "every scorer on every environment, by how true its credits are",
        "ours",
        "studies.creditbench",
        ("--kept", "{creditbench}"),
        quick=("--seeds", "1", "--questions", "20"),
        quick_seconds=87,
    ),
    Reproduction(
        "advised",
        "whether what `credit-gym advise` names is what trains fastest",
        "ours",
        "studies.advised",
        quick=("--seeds", "2", "--batches", "4"),
        quick_seconds=50,
    ),
    Reproduction(
        "key-recurrence",
        "how often states recur under each key",
        "ours",
        "studies.key_recurrence",
        quick=("--seeds", "1", "--tasks", "4"),
        quick_seconds=3.7,
    ),
    Reproduction(
        "injection-blame",
        "which step fell for an injection, by every scorer",
        "ours",
        "tables.injection_blame",
        quick=("--group-size", "4", "--tasks", "40"),
        quick_seconds=3.2,
    ),
)
