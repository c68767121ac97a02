"""CreditBench: what is kept is what would be computed, rows are computed alone as together, trees have their table."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from credit_gym.baselines.protocol.controlled import Row
from credit_gym.baselines.protocol.scorer_rows import display
from credit_gym.baselines.studies import creditbench
from credit_gym.baselines.studies.creditbench import RECORDED, bench_rows, bench_seed, tree_table
from credit_gym.errors import UnknownNameError
from credit_gym.scorers import names

FEW = [Row("grpo"), RECORDED[2], Row("oracle")]


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creditbench, "bench_rows", lambda: FEW)
    monkeypatch.setattr(creditbench, "REPLICATES", 2)
    monkeypatch.setattr(creditbench, "SUITES", {name: creditbench.SUITES[name] for name in ("lucky", "selfloop")})
    monkeypatch.setattr(creditbench, "SIZED", ("lucky",))
    monkeypatch.setattr(creditbench, "GROUP_SIZES", (8, 16))


@pytest.fixture
def few_suites(monkeypatch: pytest.MonkeyPatch) -> None:
    suites = ("stochastic", "stochastic_noisy", "lucky", "webshop_manifest")
    monkeypatch.setattr(creditbench, "SUITES", {name: creditbench.SUITES[name] for name in suites})
    monkeypatch.setattr(creditbench, "DIAGNOSTIC_TASKS", ("lucky",))
    monkeypatch.setattr(creditbench, "GROUP_SIZES", (8, 16))
    monkeypatch.setattr(creditbench, "REPLICATES", 2)
    monkeypatch.setattr(creditbench, "policy_gradient_curve", partial(creditbench.policy_gradient_curve, iterations=2))


def test_every_scorer_has_a_row_or_reads_a_tree_a_team_or_what_no_table_has() -> None:
    shown = {row.scorer for row in bench_rows()} | {"tempo", "at2po", "tree_grpo", "vine", "c3", "counterfactual"}
    unseen = {"brevity", "contrastive", "magrpo", "mappo", "pbrs_value", "role_shapley", "turn_grpo_belief"}
    likelihoods = {
        *("negative_entropy", "negative_perplexity", "policy_logprob", "reference_logprob", "self_certainty"),
        *("progress_advantage", "progress_advantage_centred"),
    }
    assert set(names()) == shown | unseen | likelihoods
    assert bench_rows()[-1].scorer == "oracle"


@pytest.mark.slow
@pytest.mark.usefixtures("few_rows")
def test_a_row_alone_is_the_row_among_others() -> None:
    together = bench_seed("lucky", 1, FEW)
    assert bench_seed("lucky", 1, FEW[1:2]) == {FEW[1].name: together[FEW[1].name]}
    assert {"success", "pg_success", "bias2", "top1@8", "top1@16"} <= together["grpo"].keys()


@pytest.mark.slow
@pytest.mark.usefixtures("few_rows")
def test_what_was_kept_is_taken_and_what_is_named_is_computed_anew(tmp_path: Path) -> None:
    fresh = creditbench.run(seeds=1, workers=1)
    assert creditbench.run(seeds=1, workers=1, kept=tmp_path) == fresh
    file = tmp_path / "lucky-0.json"
    known = json.loads(file.read_text())
    for row in ("grpo", "igpo"):
        known[row]["success"] = 7.0
    file.write_text(json.dumps(known))
    again = creditbench.run(seeds=1, workers=1, kept=tmp_path, scorers=["grpo"])["lucky"]
    assert again["grpo"] == fresh["lucky"]["grpo"]
    assert again["igpo"]["success"]["mean"] == 7.0


@pytest.mark.slow
@pytest.mark.usefixtures("few_suites")
def test_every_row_is_computed_on_every_kind_of_suite_written_and_shown(tmp_path: Path) -> None:
    file, page = tmp_path / "results.json", tmp_path / "page.md"
    creditbench.main(seeds=1, workers=1, questions=2, json_file=file, markdown_file=page)
    document = json.loads(file.read_text())
    assert document["config"]["baseline"] == "creditbench"
    shown = {row.name for row in bench_rows()}
    assert set(document["results"]) == shown
    assert all(set(suites) == set(creditbench.SUITES) for suites in document["results"].values())
    assert all(f"| {display(name)} |" in page.read_text() for name in shown)


def test_a_row_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean grpo"):
        creditbench.run(seeds=1, scorers=["grpoo"])


@pytest.mark.slow
def test_tree_scorers_know_more_on_a_tree_than_nothing_does() -> None:
    found = {row[0]: float(row[3].split()[0]) for row in tree_table(40).rows}
    assert all(found[name] > 0.1 for name in ("tempo", "at2po", "tree_grpo", "vine", "c3", "counterfactual"))
    assert found["evidence_lambda, on the tree"] > found["tempo"]
