"""creditlab: branch-aware hindsight credit (Tables 1 to 6 of its introduction)."""

from __future__ import annotations

from credit_gym.baselines.claims.claim import Cell, Claim, near
from credit_gym.baselines.claims.reproduction import Reproduction

_EXACT, _NOISY = "credit/Stochastic-v0", "credit/StochasticNoisy-v0"
_NO_VERIFIER = ("crbc", "emp_qstar", "td_error", "hindsight")

REPRODUCTIONS = (
    Reproduction(
        "table-1",
        "outcome-only against branch-aware and combined credit on stochastic tasks",
        "creditlab, Table 1",
        "tables.stochastic",
        quick=("--seeds", "3"),
        quick_seconds=7.7,
        claims=(
            Claim(
                "outcome-only fails on the stochastic benchmark",
                "0.240",
                (Cell(_EXACT, "outcome_only", "success"),),
                holds=lambda ours: ours.value < 0.5,
            ),
            Claim(
                "branch-aware does not",
                "0.979",
                (
                    Cell(_EXACT, "branch_aware", "success"),
                    Cell(_NOISY, "branch_aware", "success", "with one reading in ten wrong"),
                ),
                holds=lambda exact, noisy: near(exact, 0.979) and near(noisy, 0.979),
            ),
            Claim(
                "nor does combined",
                "1.000",
                (
                    Cell(_EXACT, "combined", "success"),
                    Cell(_NOISY, "combined", "success", "with one reading in ten wrong, λ = 2"),
                ),
                holds=lambda exact, noisy: near(exact, 1.0) and near(noisy, 1.0),
            ),
            Claim(
                "the verifier is what closes the gap",
                "implied",
                tuple(Cell(_EXACT, scorer, "success", f"{scorer}, which reads none") for scorer in _NO_VERIFIER),
                holds=lambda *without: all(ours.value < 0.9 for ours in without),
            ),
        ),
    ),
    Reproduction(
        "tables-2-3",
        "every scorer on the 14 diagnostic tasks",
        "creditlab, Tables 2 and 3 (their numbers are not public)",
        "tables.diagnostic",
        quick=("--seeds", "2"),
        quick_seconds=4.5,
    ),
    Reproduction(
        "tables-4-5",
        "share of states differentiated on generated ALFWorld games",
        "creditlab, Tables 4 and 5",
        "tables.alfworld",
        ("--runs-dir", "{tables-4-5}"),
        quick=("--episodes", "16"),
        quick_seconds=4.9,
        large="--agent SPEC",
        claims=(
            Claim(
                "real ALFWorld, Claude Haiku and Qwen-7B: share of states differentiated",
                "13.3 / 34.8 %, 3.4 / 31.8 %",
                wants="those models: `credit-gym reproduce tables-4-5 --agent SPEC`",
            ),
        ),
    ),
    Reproduction(
        "table-6",
        "how much the behaviour explores, on the stochastic and the diagnostic tasks",
        "creditlab, Table 6 (its numbers are not public)",
        "tables.exploration",
        quick=("--seeds", "1"),
        quick_seconds=10.6,
    ),
    Reproduction(
        "caveats",
        "what stands beside Table 1: more data, a larger λ, a trainer that resamples",
        "ours",
        "tables.caveats",
        quick=("--seeds", "1"),
        quick_seconds=10.4,
    ),
    Reproduction(
        "webshop",
        "scorers on WebShop's own engine, with a catalogue made here",
        "creditlab's second environment",
        "tables.webshop",
        ("--runs-dir", "{webshop}"),
        quick=("--episodes", "32", "--manifest-seeds", "1"),
        quick_seconds=9.5,
        large="--agent SPEC",
    ),
)
