"""Runs are listed newest first with what came of them, and what was mistyped is said before anything is made."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call, good, opened

from credit_gym.agents.llm.model_paths import check_path
from credit_gym.errors import BackendError
from credit_gym.registration import ENVIRONMENTS, unknown_environment
from credit_gym.store import run_store

RUN = ("run", "--episodes", "4", "--group-size", "2")


@pytest.fixture
def three(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three runs, each an hour after the one before."""
    hours = iter(range(20))
    monkeypatch.setattr(run_store, "_now", lambda: datetime(2030, 1, 1, next(hours), tzinfo=UTC).isoformat())
    return [
        good(*RUN, "--env", env, "--agent", agent).split()[0]
        for env, agent in (
            ("credit/Stochastic-v0", "expert"),
            ("credit/WebShop-v0", "random"),
            ("credit/Stochastic-v0", "noisy:0.5"),
        )
    ]


def listed(*options: str) -> list[dict[str, str]]:
    lines = good("runs", "--to", "markdown", *options).splitlines()[2:]
    head, _, *rows = ([cell.strip(" ") for cell in line.strip("|").split("|")] for line in lines if line)
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_runs_are_listed_newest_first_with_success_and_return(three: list[str]) -> None:
    rows = listed()
    assert [row["run"].replace("\\", "") for row in rows] == three[::-1]
    assert [row["environment"] for row in rows] == [
        f"credit/{name}-v0" for name in ("Stochastic", "WebShop", "Stochastic")
    ]
    assert rows[2]["success"] == rows[2]["return"] == "1.000"
    assert 0.0 < float(rows[1]["return"]) < 1.0
    assert {row["episodes"] for row in rows} == {"4"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--env", "webshop"), [1]),
        (("--agent", "noisy"), [2]),
        (("--env", "Stochastic", "--agent", "expert"), [0]),
        (("--last", "2"), [2, 1]),
        (("--status", "running"), []),
    ],
)
def test_runs_are_filtered(three: list[str], options: tuple[str, ...], expected: list[int]) -> None:
    assert [row["run"].replace("\\", "") for row in listed(*options)] == [three[i] for i in expected]


def test_a_list_is_what_the_episodes_say_and_reads_none_of_their_columns(three: list[str]) -> None:
    with opened(three[1]) as store:
        run_id, played = three[1], store.load_episodes(three[1])
        store.add_episode(run_id, replace(played[0], episode_id="9-9", error="timeout"))
    rows = listed()
    assert [rows[1][name] for name in ("episodes", "errors")] == ["4", "1"]
    assert float(rows[1]["return"]) == pytest.approx(sum(e.episode_return for e in played) / 4, abs=1e-3)
    assert float(rows[1]["success"]) == sum(e.success for e in played) / 4
    for name in three:
        with opened(name) as store:
            store._connection.execute("DELETE FROM columns")
    assert listed() == rows


@pytest.mark.slow
def test_twenty_runs_of_ten_thousand_episodes_are_listed_in_a_second(three: list[str]) -> None:
    with opened(three[0]) as store, store._write() as database:
        once = ", ".join(name for _, name, *_ in database.execute("PRAGMA table_info(episodes)") if name != "key")
        more = once.replace("episode_id", "'0-' || i", 1)
        numbers = "WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
        first = "(SELECT * FROM episodes LIMIT 1)"
        database.execute(f"INSERT INTO episodes ({once}) {numbers} SELECT {more} FROM n, {first}")
    for copy in range(19):
        shutil.copytree(Path("runs") / three[0], Path("runs") / f"run_{copy:012}")
    good("runs")
    began = time.process_time()
    rows = listed()
    assert time.process_time() - began < 1.0
    assert [row["episodes"] for row in rows].count("10000") == 20


def test_a_damaged_store_is_said_and_the_others_are_listed(three: list[str]) -> None:
    (Path("runs") / three[0] / "store.sqlite").write_text("no database")
    result = call("runs")
    assert result.exit_code == 0
    assert three[1] in result.stdout
    assert f"{three[0]} is left out: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("runs", "--runs-dir", "nope"), "There is no folder nope"),
        (("envs", "ALFWorld-v0"), "did you mean credit/ALFWorld-v0"),
        (("envs", "credit/ALFWorld"), "did you mean credit/ALFWorld-v0"),
        (("play", "--env", "credit/Nope-v0"), "`credit-gym envs` lists"),
        ((*RUN, "--env", "ALFWorld-v0"), "did you mean credit/ALFWorld-v0"),
        ((*RUN, "--env", "credit/alfworld-v0"), "did you mean credit/ALFWorld-v0"),
        ((*RUN, "--env", "qwertyuiop"), "`credit-gym envs` lists"),
        ((*RUN, "--env", "credit/Stochastic-v0", "--seed", "-1"), "greater than or equal to 0"),
        ((*RUN, "--env", "credit/Stochastic-v0", "--env-arg", "num_tasks=0"), "num_tasks of stochastic must be"),
        ((*RUN, "--env", "credit/ALFWorld-v0", "--env-arg", "max_steps=-3"), "max_steps of ALFWorldEnv must be"),
        ((*RUN, "--env", "credit/WebShop-v0", "--env-arg", "max_step=3"), "did you mean max_steps"),
    ],
)
def test_what_is_mistyped_is_one_sentence_and_nothing_is_stored(
    folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = call(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert sentence in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize("kind", ["wandb", "tensorboard"])
@pytest.mark.parametrize("command", [RUN, ("bench", "--episodes", "2", "--agent", "random")])
def test_a_log_whose_package_is_missing_leaves_no_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, command: tuple[str, ...]
) -> None:
    for module in ("wandb", "tensorboardX", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    result = call(*command, "--env", "credit/Stochastic-v0", "--log", kind)
    assert result.exit_code == 2
    assert 'pip install "credit-gym[log]"' in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize("spec", ENVIRONMENTS, ids=lambda spec: spec.id)
def test_every_id_is_suggested_for_its_short_form(spec: Any) -> None:
    short = spec.id.removeprefix("credit/")
    for typed in (short, short.lower(), f"credits/{short}"):
        assert f"did you mean {spec.id}" in str(unknown_environment(typed))


@pytest.mark.slow
@pytest.mark.parametrize(("to", "mark"), [("latex", r"\toprule"), ("markdown", "| grpo |"), ("html", "<table>")])
def test_a_report_in_another_format_is_that_format(folder: Path, to: str, mark: str) -> None:
    run_id = good(*RUN, "--env", "credit/Stochastic-v0", "--scorer", "grpo").split()[0]
    assert mark in good("report", run_id, "--to", to)
    assert not (Path("runs") / run_id / "report.html").exists()
    assert good("report", run_id, "--to", to, "--out", "table").strip() == "table"
    assert mark in Path("table").read_text()
    assert call("report", run_id, "--to", "csv").exit_code == 2


@pytest.mark.parametrize("name", ["./nope", "/nope", "~/nope", "a/b/c", "models/nope", "here/nope", "C:\\nope"])
def test_a_path_without_a_model_is_refused_and_no_hub_is_asked(folder: Path, name: str) -> None:
    Path("here").mkdir()
    with pytest.raises(BackendError, match="There is no model folder"):
        check_path(name)


@pytest.mark.parametrize("name", ["gpt2", "Qwen/Qwen3-0.6B", "here", ".."])
def test_a_name_on_a_hub_and_a_folder_that_exists_are_no_missing_path(folder: Path, name: str) -> None:
    Path("here").mkdir()
    check_path(name)


@pytest.mark.slow
def test_whatever_loads_a_model_asks_no_hub_for_a_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretrained = pytest.importorskip("credit_gym.agents.llm.pretrained")
    language_model = pytest.importorskip("credit_gym.agents.likelihood.language_model")
    asked = lambda *_, **__: pytest.fail("a hub was asked")  # noqa: E731
    monkeypatch.setattr(pretrained.transformers.AutoTokenizer, "from_pretrained", asked)
    monkeypatch.setattr(language_model, "snapshot_download", asked)
    for load in (pretrained.load_tokenizer, lambda name: language_model.LanguageModel(name).folder):
        with pytest.raises(BackendError, match="There is no model folder 'models/nope'"):
            load("models/nope")


@pytest.mark.slow
def test_training_from_a_path_that_does_not_exist_leaves_nothing(folder: Path) -> None:
    pytest.importorskip("trl")
    result = call("train", "trained", "--env", "credit/Stochastic-v0", "--model", "models/nope")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "There is no model folder 'models/nope'" in result.stderr
    assert not Path("trained").exists()


def test_a_training_is_not_written_into_a_model(folder: Path) -> None:
    pytest.importorskip("trl")
    Path("model").mkdir()
    Path("model/config.json").write_text("{}")
    result = call("train", "model", "--env", "credit/Stochastic-v0", "--model", "model")
    assert result.exit_code == 2
    assert result.stderr == "Error: model holds a model: give the training a folder of its own.\n"
    assert {file.name for file in Path("model").iterdir()} == {"config.json"}
