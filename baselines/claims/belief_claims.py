"""delta-belief-rl: credit from the rise of the agent's own belief (arXiv:2602.12342)."""

from __future__ import annotations

from credit_gym.baselines.claims.claim import Cell, Claim
from credit_gym.baselines.claims.reproduction import Reproduction

_LEARNED = "Success (paired difference to trajectory"
_EARLY, _END = "7,168 games", "38,400 games"
_BEST = "The best of n moves"

REPRODUCTIONS = (
    Reproduction(
        "delta-belief",
        "training with belief credit, granularity and belief crossed, in an exactly solvable game",
        "delta-belief-rl, its main table",
        "studies.delta_belief",
        ("--folder", "{delta-belief}", "--games", "38400", "--other-games", "7168"),
        quick=(
            *("--seeds", "1", "--games", "7168", "--long-games", "7168", "--teaching", "600"),
            *("--recipe", "turn-wise", "--recipe", "turn-wise + belief"),
        ),
        large="--model SPEC --judge SPEC",
        claims=(
            Claim(
                "turn-wise GRPO with belief credit beats trajectory GRPO, early",
                "24.80 against 16.54, 33.72 against 24.36 % on 20 Questions",
                (Cell(_LEARNED, "turn-wise + belief", _EARLY, f"difference after {_EARLY}", difference=True),),
                holds=lambda ours: ours.low > 0.0,
            ),
            Claim(
                "and at the end",
                "the same",
                (Cell(_LEARNED, "turn-wise + belief", _END, f"difference after {_END}", difference=True),),
                holds=lambda ours: ours.low > 0.0,
            ),
            Claim(
                "the gain is the belief's, not the granularity's",
                "not separated",
                (Cell(_LEARNED, "turn-wise", _EARLY, "turn-wise without belief", difference=True),),
                holds=lambda ours: ours.low <= 0.0 <= ours.high,
            ),
            Claim(
                "ReLU is the best normalisation",
                ".554 against .448 to .518",
                tuple(
                    Cell(_LEARNED, row, _EARLY, name, difference=True)
                    for row, name in (
                        ("turn-wise + belief", "ReLU"),
                        ("turn-wise + raw gain", "raw"),
                        ("turn-wise + tanh", "tanh"),
                    )
                ),
                holds=lambda relu, raw, tanh: relu.low > max(raw.value, tanh.value),
            ),
            Claim(
                "choosing the best of 8 questions by belief gain",
                "10.0 to 23.2 %, 13.3 to 27.1 %",
                (Cell(_BEST, "1", "success", "one move"), Cell(_BEST, "8", "success", "the best of 8")),
                holds=lambda one, best: best.low > one.high,
            ),
            Claim(
                "beats models of 235 to 670 billion parameters; other games; 50 turns",
                "",
                wants="those models: `credit-gym reproduce delta-belief --model SPEC --judge SPEC`",
            ),
        ),
    ),
)
