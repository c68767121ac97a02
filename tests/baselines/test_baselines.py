"""The published tables come out in their ranges, sweeps resume, and results have the documented form."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import ROOT

from credit_gym.baselines.protocol import collection, sweep
from credit_gym.baselines.protocol.controlled import Row, all_rows
from credit_gym.baselines.protocol.experiment import run_experiment, save_json
from credit_gym.baselines.studies.leaderboard import leaderboard, markdown
from credit_gym.baselines.tables import stochastic
from credit_gym.errors import CreditGymError, UnknownNameError
from credit_gym.registration import ENVIRONMENTS
from credit_gym.store import Store

POOLING = ("crbc", "emp_qstar", "hindsight", "adaptive_q")
CONFIGS = [path.name for path in (resources.files("credit_gym.baselines.protocol") / "configs").iterdir()]


@pytest.fixture(scope="module")
def table_one() -> dict[str, Any]:
    return {env_id: stochastic.run(env_id, workers=2) for env_id in stochastic.LAMBDAS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env_id", "row", "low", "high"),
    [
        ("credit/Stochastic-v0", "outcome_only", 0.15, 0.37),
        ("credit/Stochastic-v0", "branch_aware", 0.97, 1.0),
        ("credit/Stochastic-v0", "combined", 0.99, 1.0),
        ("credit/StochasticNoisy-v0", "outcome_only", 0.15, 0.37),
        ("credit/StochasticNoisy-v0", "branch_aware", 0.95, 1.0),
        ("credit/StochasticNoisy-v0", "combined", 0.99, 1.0),
        *((env_id, row, 0.99, 1.0) for env_id in stochastic.LAMBDAS for row in POOLING),
    ],
)  # fmt: skip
def test_table_1_is_in_its_published_range(
    table_one: dict[str, Any], env_id: str, row: str, low: float, high: float
) -> None:
    assert low <= table_one[env_id][row]["success"]["mean"] <= high


@pytest.mark.slow
def test_scorers_with_the_same_greedy_table_succeed_alike(table_one: dict[str, Any]) -> None:
    """Spec 3.2 (6): with one group per task these are outcome-only to every digit."""
    results = table_one["credit/Stochastic-v0"]
    for row in ("grpo", "rloo", "salt", "hca"):
        assert results[row]["success"]["per_seed"] == results["outcome_only"]["success"]["per_seed"]


@pytest.mark.slow
def test_no_scorer_beats_the_ceiling(table_one: dict[str, Any]) -> None:
    for results in table_one.values():
        ceiling = np.asarray(results["ceiling"]["success"]["per_seed"])
        for row, found in results.items():
            assert (np.asarray(found["success"]["per_seed"]) <= ceiling + 1e-9).all(), row


@pytest.mark.slow
@pytest.mark.parametrize("task", ["regress", "keydoor"])
def test_a_misleading_verifier_is_fatal_for_combined_but_not_for_adaptive_q(task: str) -> None:
    rows = [Row("combined"), Row("branch_aware"), Row("adaptive_q"), Row("crbc")]
    results = run_experiment("credit/Diagnostic-v0", rows, seeds=15, arguments={"task": task})
    assert results["combined"]["success"]["mean"] <= 0.05
    assert results["branch_aware"]["success"]["mean"] <= 0.05
    assert results["adaptive_q"]["success"]["mean"] >= 0.99
    assert results["crbc"]["success"]["mean"] >= 0.99


@pytest.mark.slow
def test_a_policy_gradient_learns_from_outcomes_alone_only_later() -> None:
    rows = [Row("outcome_only"), Row("crbc")]
    results = run_experiment("credit/Stochastic-v0", rows, seeds=3, trainers=("score_table", "policy_gradient"))
    assert results["outcome_only"]["success"]["mean"] < 0.5
    assert results["outcome_only"]["pg_success"]["mean"] > 0.9
    assert results["crbc"]["pg_curve_mean"]["mean"] > results["outcome_only"]["pg_curve_mean"]["mean"] + 0.02


def test_a_seed_does_not_depend_on_how_many_there_are_or_on_workers() -> None:
    rows = [Row("outcome_only"), Row("adaptive_q")]
    few = run_experiment("credit/Stochastic-v0", rows, seeds=2, arguments={"num_tasks": 4})
    more = run_experiment("credit/Stochastic-v0", rows, seeds=3, workers=2, arguments={"num_tasks": 4})
    for row in few:
        for metric, found in few[row].items():
            assert found["per_seed"] == more[row][metric]["per_seed"][:2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tables.stochastic", ("--seeds", "2", "--tasks", "3")),
        ("tables.diagnostic", ("--seeds", "1")),
        ("tables.exploration", ("--seeds", "1")),
        ("tables.caveats", ("--seeds", "1")),
        ("speed", ("--only", "clone_state", "--repeats", "1")),
    ],
)
def test_each_baseline_writes_the_documented_json(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "results.json"
    command = [sys.executable, "-m", f"credit_gym.baselines.{name}", *arguments, "--json", str(file)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    document = json.loads(file.read_text())
    assert document["config"]["baseline"] == name.rpartition(".")[2]
    if name in ("tables.stochastic", "tables.diagnostic", "tables.exploration"):
        success = document["results"]["outcome_only"]["success"]
        assert set(success) == {"mean", "std", "per_seed"}
        assert success["mean"] == pytest.approx(np.mean(success["per_seed"]))


def test_numbers_that_do_not_exist_become_null(tmp_path: Path) -> None:
    save_json(tmp_path / "a" / "b.json", {}, {"x": {"mean": float("nan"), "per_seed": [float("inf"), 1.0]}})
    assert json.loads((tmp_path / "a" / "b.json").read_text())["results"] == {
        "x": {"mean": None, "per_seed": [None, 1.0]}
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configurations_name_what_exists(name: str) -> None:
    config = sweep.load_config(name)
    assert sweep.load_config(Path(name).stem) == config
    assert len({cell.name for cell in sweep.cells(config)}) == len(list(sweep.cells(config)))


TINY = {
    "name": "tiny",
    "environments": ["credit/WebShopManifest-v0", {"id": "credit/Diagnostic-v0", "arguments": {"task": "ring"}}],
    "scorers": ["outcome_only", {"scorer": "combined", "options": {"lambda_": 2.0}, "label": "combined 2"}],
    "trainers": ["score_table"],
    "seeds": 2,
    "exploration": [0.3, 0.5],
    "episodes_per_task": 8,
}


@pytest.mark.slow
def test_a_sweep_that_stopped_resumes_where_it_was(tmp_path: Path) -> None:
    config = sweep.check_config(TINY)

    class Stopped(Exception):
        pass

    def stop(cell: sweep.Cell, done: int, total: int) -> None:
        if done == 3:
            raise Stopped

    with Store.open(tmp_path / "stopped") as store, Store.open(tmp_path / "whole") as other:
        with pytest.raises(Stopped):
            sweep.run_sweep(config, store, on_cell=stop)
        (group,) = (record.group_id for record in store.groups())
        assert len(store.results(group)) == 3
        assert sweep.run_sweep(config, store, resume=group) == group
        assert len(store.runs(group)) == 8
        assert sweep.sweep_results(store, group) == sweep.sweep_results(other, sweep.run_sweep(config, other))
        with pytest.raises(CreditGymError, match="another configuration"):
            sweep.run_sweep({**config, "seeds": 3}, store, resume=group)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"seeds": 0}, CreditGymError, "at seeds, 0 is less than the minimum"),
        ({"colour": 1}, CreditGymError, "Additional properties are not allowed"),
        ({"scorers": ["grop"]}, UnknownNameError, "no scorer called 'grop'"),
        ({"trainers": ["ppo"]}, UnknownNameError, "no trainer called 'ppo'"),
        ({"environments": ["credit/ALFWorld-v0"]}, UnknownNameError, "no controlled environment called"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(
    change: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        sweep.check_config({**TINY, **change})


def test_every_applicable_scorer_is_in_the_tables_with_the_oracle_last() -> None:
    rows = [row.scorer for row in all_rows()]
    assert rows[-1] == "oracle"
    assert {"outcome_only", "gigpo", "crbc", "branch_aware", "adaptive_q", "shapley", "random"} <= set(rows)


def test_the_leaderboard_ranks_by_success_and_shows_intervals() -> None:
    def found(success: float) -> dict[str, Any]:
        metrics = ("success", "pg_success", "top1", "spearman", "kendall", "sign", "nrmse", "bias2", "variance")
        values = {metric: {"mean": success, "std": 0.0, "per_seed": [success, success]} for metric in metrics}
        return {**values, "n90": {"mean": float("inf"), "std": 0.0, "per_seed": []}}

    suites = ("stochastic", "stochastic_noisy", "lucky", "webshop_manifest")
    results = {suite: {"grpo": found(0.25), "graphgpo": found(0.75)} for suite in suites}
    board = leaderboard(results, ["lucky"], {"grpo": "trajectories"})
    assert [row[0] for row in board[0].rows] == ["graphgpo-like", "grpo"]
    page = markdown(board, 2)
    assert "0.750" in page
    assert "creditbench --seeds 2" in page


def test_the_comparison_with_the_expert_by_hand() -> None:
    preferences = {
        "told apart, right": {"a": 1.0, "b": 0.0},
        "told apart, wrong": {"a": 0.0, "b": 1.0},
        "a tie": {"a": 0.5, "b": 0.5},
        "expert's action never tried": {"b": 1.0, "c": 0.0},
        "one action": {"a": 1.0},
    }
    expert = {state: frozenset({"a"}) for state in preferences}
    exact = {state: {"a": 0.0, "b": -2.0, "c": -1.0} for state in preferences}
    assert collection.compare(preferences, expert, exact) == {
        "states": 5.0,
        "differentiated": 3 / 5,
        "contested": 3.0,
        "differentiated_contested": pytest.approx(2 / 3),
        "top1": pytest.approx(1.5 / 3),
        "aligned": pytest.approx(1 / 3),
        "spearman": pytest.approx((1.0 - 1.0 + 0.0) / 3),
    }


@pytest.mark.slow
def test_the_main_command_writes_store_targets_and_report(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "credit_gym.baselines.tables.alfworld", "--episodes", "6", "--group-size", "3"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"runs/{folder.name}/ holds store.sqlite, targets.parquet and report.html." in done.stdout
    assert {"store.sqlite", "targets.parquet", "report.html"} <= {path.name for path in folder.iterdir()}
    with Store.open(folder, create=False) as store:
        assert len(store.load_episodes(folder.name)) == 6
        assert {scorer for scorer, _ in store.target_sets(folder.name)} == set(collection.SCORERS)


def test_the_page_of_environments_lists_every_one() -> None:
    page = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
    missing = [spec.id for spec in ENVIRONMENTS if spec.id not in page]
    assert missing == []
