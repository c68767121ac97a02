"""The CreditBench leaderboard as tables and as a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from credit_gym.baselines.protocol.experiment import Results
from credit_gym.baselines.protocol.scorer_rows import display
from credit_gym.data.grouping import FloatArray
from credit_gym.metrics.statistics import bootstrap_mean
from credit_gym.report import Table, to_markdown

FIDELITY = ("top1", "spearman", "kendall", "sign", "nrmse", "bias2", "variance")
SIZED = ("stochastic", "lucky")
"""The suites on which N90, the least group size with top-1 of 0.9 from there on, is found."""
CHECKLIST = (
    ("variance or intervals over seeds (2 of 41 papers report them)", "met in the tables of success and fidelity"),
    (
        "baselines at equal compute (none)",
        "met: all see the same episodes, and sample as many in training; trees bring about as many outcomes",
    ),
    ("cost (none gives GPU hours)", "met: no GPU; steps a second of every scorer are in [speed.md](speed.md)"),
    ("controlled tasks with a fork", "met: `decoy`, `decoydead`, `lucky`, `slip`, `regress`, `keydoor`"),
    ("what a method needs: feedback, snapshots, extra rollouts", "met: *reads*, and the cost of a tree beside it"),
    ("whether a credit is causal, or predicts", "met: it is compared with the exact advantage, which is causal"),
    ("stability, reward hacking, entropy apart from success", "in part: verifiers that mislead; no entropy"),
    ("granularity that fits the decisions", "in part: a step is a decision; no credit below the turn"),
    ("language models, horizons beyond fifty steps", "not met here; [small ones are trained elsewhere](headline.md)"),
)
"""Items of the survey's checklist and protocol, and whether they are met."""


def leaderboard(results: Mapping[str, Results], diagnostics: Sequence[str], reads: Mapping[str, str]) -> list[Table]:
    """Return three tables: success with intervals, fidelity to the exact advantage, and success on every suite.

    Args:
        results: suite -> row -> metric -> summary over seeds.
        diagnostics: the suites that are averaged as "diagnostics".
        reads: row -> what it reads.
    """
    rows = sorted(results["stochastic"], key=lambda row: -_pooled(results, row, list(results), "success").mean())
    controlled = [suite for suite in results if suite.endswith("manifest")]
    success = Table(
        "Success: mean over suites and seeds [95 % bootstrap interval over seeds]",
        ("scorer", "reads", "stochastic", "noisy", "14 diagnostics", "2 manifests", "policy gradient, all suites"),
        tuple(
            (
                display(row),
                reads.get(row, ""),
                _interval(_pooled(results, row, ["stochastic"], "success")),
                _interval(_pooled(results, row, ["stochastic_noisy"], "success")),
                _interval(_pooled(results, row, diagnostics, "success")),
                _interval(_pooled(results, row, controlled, "success")),
                _interval(_pooled(results, row, list(results), "pg_success")),
            )
            for row in rows
        ),
    )
    fidelity = Table(
        "Fidelity: mean over all suites; N90 on the stochastic suite and on lucky",
        ("scorer", *FIDELITY, *(f"N90 {suite}" for suite in SIZED)),
        tuple(
            (
                display(row),
                *(_interval(_pooled(results, row, list(results), metric)) for metric in FIDELITY),
                *(_size(results[suite][row]["n90"]["mean"]) for suite in SIZED),
            )
            for row in rows
        ),
    )
    matrix = Table(
        "Success on every suite (greedy score table)",
        ("scorer", *results),
        tuple((display(row), *(round(results[s][row]["success"]["mean"], 2) for s in results)) for row in rows),
    )
    return [success, fidelity, matrix]


def markdown(tables: Sequence[Table], seeds: int) -> str:
    """Return the page that is committed under ``docs/``."""
    head = f"""# CreditBench

Every scorer on every controlled environment, against the exact advantage. Made by

    python -m credit_gym.baselines.studies.creditbench --seeds {seeds} --markdown docs/creditbench.md

On each suite and seed all scorers see the same 64 episodes a task. *Success* is the exact success of a greedy score
table (the harshest trainer); *policy gradient* is the exact success after 15 on-policy iterations of 16 episodes (the
kindest). *top1*: the credit's argmax is an optimal observed action. *spearman*, *kendall*, *sign* and *nrmse* compare
with the exact finite-horizon advantage of the behaviour, per decision state; *bias2* and *variance* are relative
energies over 16 replicate batches; *N90* is the least group size from which on top-1 stays at 0.9 or more (—: not up
to 512). *reads* says what a scorer needs besides the trajectories. Stand-ins of methods that were published with a
learned model are called "-like". The other public bench of credits against exact advantages that we know of,
AgentCreditBench (2026), has three small worlds and seven estimators.

How to read it: success hides fidelity (`combined` solves the stochastic suite, flat as it is off the path); a verifier
that misleads is fatal for whoever trusts it (`regress`, `keydoor`); a scorer that pools the transition graph needs no
verifier here, because states recur; nothing here is a statement about language models. `oracle` is no method but a
ceiling: its table holds the exact advantage of the recorded behaviour, and its policy gradient the exact advantage of
the policy as it stands at each iteration.

Rows of token columns, beliefs and a reward model read what a model would have recorded, exact where it can be: a step
is one token, its entropy the policy's own; the belief of `igpo`, `delta_belief` and `high_water_mark` is the exact
chance of success from each state, so these rows are as good as such beliefs can make them; `istar-like` has a softmax
table fitted by DPO to pairs of a won and a lost episode in the place of a language model. "by empg" is `modulate` over
the scorer named first. Scorers of replay trees are in the last table: there is no tree in the episodes of the others,
and rows that read no tree stand beside them.

The survey of credit assignment [2604.09459](https://arxiv.org/abs/2604.09459) brings a reporting checklist and a
benchmark protocol. What we know of both is from summaries and from the list of papers that its author keeps:

"""
    items = "".join(f"| {item} | {here} |\n" for item, here in (("item", "here"), (":---", ":---"), *CHECKLIST))
    pages = (f"\n## {table.title}\n\n{to_markdown(Table('', table.columns, table.rows))}" for table in tables)
    return head + items + "".join(pages)


def _pooled(results: Mapping[str, Results], row: str, suites: Sequence[str], metric: str) -> FloatArray:
    """Mean over suites, one value a seed; suites without the metric (no decision state) are left out."""
    values = np.asarray([results[suite][row][metric]["per_seed"] for suite in suites], dtype=np.float64)
    present = np.isfinite(values)
    return np.asarray(np.where(present, values, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1))


def _interval(values: FloatArray) -> str:
    return f"{bootstrap_mean(values):.3f}"


def _size(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "—"
