"""progress-advantage: the log-ratio of policy to reference as a score (arXiv:2606.26080)."""

from __future__ import annotations

from credit_gym.baselines.claims.claim import Cell, Claim, near, overlap
from credit_gym.baselines.claims.reproduction import Reproduction

_OWN, _BOTH = "by 'trajectory', its own games", "by 'trajectory', games of both"
_AUROC = "AUROC [95 % over seeds]"
_GAP = "gap recovered at 8 [95 % over tasks]"
_STEP = "step accuracy [95 %]"
_ROOMS = "gap recovered [95 % over rooms]"
_ALPHAS = ("0.00", "0.20", "0.30", "0.40", "0.50", "0.60", "0.70")
_REAL = "Algorithm-Generated"
_RULES = {  # without a model, in percent, as published
    "uniform over valid steps": 12.0,
    "first valid step": 15.9,
    "constant step 1": 27.0,
    "longest step": 18.3,
    "longest step, no terminal": 26.2,
}
_MODELS = "--trials DIR --policy hf:POLICY --reference hf:REFERENCE"

REPRODUCTIONS = (
    Reproduction(
        "uncertainty",
        "does it tell success from failure, beside confidence scores?",
        "progress-advantage, uncertainty quantification",
        "tables.uncertainty",
        ("--study", "{delta-belief}", "--seeds", "5", "--repeats", "16"),
        quick=("--seeds", "1", "--repeats", "4"),
        large=_MODELS,
        claims=(
            Claim(
                "predicts success better than confidence",
                "AUROC .65 to .87, best in 3 of 8 cells",
                tuple(
                    Cell(title, score, _AUROC, f"{score}, {games}")
                    for title, games in ((_OWN, "own games"), (_BOTH, "mixed games"))
                    for score in ("progress_advantage", "policy_logprob")
                ),
                holds=lambda own, plain, both, plain_both: own.value > plain.value and both.value > plain_both.value,
            ),
            Claim(
                "the same of models of 4 to 14 billion parameters",
                "Table of 8 cells",
                wants=f"those models: `credit-gym reproduce uncertainty {_MODELS}`",
            ),
        ),
    ),
    Reproduction(
        "best-of-n",
        "is it good for choosing the best of n?",
        "progress-advantage, test-time scaling",
        "tables.test_time_scaling",
        ("--study", "{delta-belief}", "--seeds", "5", "--candidates", "8"),
        quick=("--seeds", "1"),
        large=_MODELS,
        claims=(
            Claim(
                "selects the best of 8",
                "46 and 58 % of the gap recovered",
                (
                    Cell(_OWN, "progress_advantage", _GAP, "the policy's own games"),
                    Cell(_BOTH, "progress_advantage", _GAP, "mixed games"),
                    Cell(_BOTH, "policy_logprob", _GAP, "plain log-probability on mixed games"),
                ),
                holds=lambda own, both, plain: own.low > 0.0 and both.value >= 0.46 and both.value > plain.value,
            ),
        ),
    ),
    Reproduction(
        "sokoban",
        "the same on Sokoban, with merged references",
        "progress-advantage, Sokoban",
        "tables.sokoban",
        ("--models", "{sokoban}"),
        quick=("--quick", "--seeds", "2", "--rooms", "16"),
        quick_seconds=17,
        large="--sims FILE --policy hf:POLICY --reference hf:REFERENCE",
        claims=(
            Claim(
                "selects the best of 8 games of Sokoban",
                "no number in a source at hand",
                (
                    Cell("Sokoban, best of 8", "pa_mean_mean", _ROOMS),
                    Cell("Sokoban, best of 8", "policy_logprob", _ROOMS),
                ),
                holds=lambda ours, plain: ours.low > 0.0 and ours.value > plain.value,
            ),
            Claim(
                "a reference merged by TIES is stable for 0.2 to 0.7 of the policy",
                "stated",
                tuple(Cell("merged references", alpha, "ties", f"success at {alpha}") for alpha in _ALPHAS),
                holds=lambda alone, *merged: all(overlap(alone, ours) for ours in merged),
            ),
        ),
    ),
    Reproduction(
        "failure-attribution",
        "does it find the decisive error in planted logs?",
        "progress-advantage, failure attribution",
        "tables.failure_attribution",
        ("--grid",),
        quick=("--logs", "60"),
        quick_seconds=102,
        large="--data DIR --policy hf:POLICY --reference hf:REFERENCE",
        claims=(
            Claim(
                "finds the decisive error",
                '"close to trained tracers"',
                (
                    Cell("plain, chosen beforehand", "progress_advantage mean sharpest_drop", _STEP),
                    Cell("no model", "uniform over valid steps", _STEP),
                    Cell("no model", "last step", _STEP),
                ),
                holds=lambda ours, uniform, last: ours.low > max(uniform.value, last.value),
                wants="planted logs, tiny models",
            ),
        ),
    ),
    Reproduction(
        "who-and-when",
        "the rows of failure attribution that need no model, on the published logs",
        "Who&When, algorithm-generated split",
        "tables.failure_attribution",
        ("--data", "{WHO_AND_WHEN_DIR}"),
        variable="WHO_AND_WHEN_DIR",
        claims=(
            Claim(
                "the rows that need no model",
                "12.0, 15.9, 27.0, 18.3, 26.2 %",
                tuple(Cell(_REAL, rule, _STEP) for rule in _RULES),
                holds=lambda *ours: all(map(near, ours, _RULES.values(), [0.05] * len(_RULES))),
            ),
        ),
    ),
    Reproduction(
        "human-labels",
        "every scorer against the labels that people gave to steps",
        "AgentProcessBench",
        "tables.human_labels",
        ("--data", "{AGENT_PROCESS_BENCH_DIR}"),
        variable="AGENT_PROCESS_BENCH_DIR",
    ),
    Reproduction(
        "tau2",
        "scorers and pass^k on tau2's rules, in a domain made here",
        "progress-advantage's third environment",
        "tables.tau2",
        ("--runs-dir", "{tau2}"),
        quick=("--episodes", "64"),
        quick_seconds=3.4,
        large="--domain retail --agent SPEC",
    ),
)
