from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders.commands import call, good, opened

from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.formats.parquet import read_parquet
from credit_gym.scorers import DEFAULT
from credit_gym.store import new_run

RUN = ("run", "--env", "credit/Stochastic-v0", "--episodes", "6", "--group-size", "3", "--agent", "noisy:0.5")
COMMANDS = (
    "envs",
    "scorers",
    "columns",
    "run",
    "score",
    "compare",
    "import",
    "credit",
    "serve",
    "promptings",
    "advise",
    "targets",
    "report",
    "view",
    "sweep",
    "bench",
    "runs",
    "play",
    "alfworld-generate",
    "tiny-lm",
    "train",
    "reproduce",
    "stress",
)
SWEEP = """
name: tiny
environments: [{id: credit/Stochastic-v0, arguments: {num_tasks: 2}}]
scorers: [outcome_only, crbc]
seeds: 2
episodes_per_task: 4
"""


@pytest.fixture
def run_id(folder: Path) -> str:
    return good(*RUN, "--seed", "3").split()[0]


@pytest.mark.slow
def test_every_command_shows_an_example_in_its_help() -> None:
    assert set(re.findall(r"^  ([\w-]+)  ", good("--help").split("Commands:")[1], re.M)) == set(COMMANDS)
    for command in COMMANDS:
        assert f"Example: credit-gym {command}" in " ".join(good(command, "--help").split())


@pytest.mark.slow
def test_help_and_lists_load_nothing_heavy() -> None:
    code = "import sys; from credit_gym.cli import app; app(['--help'])"
    check = f"import atexit, sys\natexit.register(lambda: sys.stderr.write(' '.join(sys.modules)))\n{code}"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert not loaded & {"scipy", "pyarrow", "torch", "matplotlib", "yaml", "credit_gym.scorers", "credit_gym.agents"}


def test_a_run_is_kept_whole_and_says_so(folder: Path) -> None:
    out = good(*RUN, "--seed", "3", "--scorer", "outcome_only", "--scorer", "adaptive_q")
    run_id = out.split()[0]
    with opened(run_id) as store:
        assert [e.episode_id for e in store.load_episodes(run_id)] == [f"3-{i}" for i in range(6)]
        assert {e.group_id for e in store.load_episodes(run_id)} == {"3-g0", "3-g1"}
        assert store.target_sets(run_id) == [("adaptive_q", {}), ("outcome_only", {})]
        assert store.run(run_id).status == "finished"
        solved = sum(e.success for e in store.load_episodes(run_id))
    assert f"6 episodes, {solved} solved" in out
    assert good("runs").split().count(run_id) == 1


@pytest.mark.slow
def test_who_names_no_scorer_gets_the_default_wherever_there_is_something_to_compare(folder: Path) -> None:
    out = good(*RUN, "--seed", "3")
    run_id = out.split()[0]
    assert DEFAULT in out
    assert opened(run_id).target_sets(run_id) == [(DEFAULT, {})]
    path = good("targets", run_id).strip()
    kept = [target.credit for target in opened(run_id).load_targets(run_id, DEFAULT)]
    assert read_parquet(path).turns[f"credit_{DEFAULT}"].to_pylist() == kept
    assert any(kept)
    assert f"{DEFAULT}(kappa=0.5)" in good("score", run_id, "--option", "kappa=0.5")
    alone = good("run", "--env", "credit/Stochastic-v0", "--episodes", "2").split()[0]
    assert opened(alone).target_sets(alone) == []
    page = call("report", alone)
    assert f'"scorers":[{{"name":"{DEFAULT}"' in Path(page.stdout.strip()).read_text("utf-8")
    assert (
        page.stderr
        == f"{DEFAULT} credits every step as grpo here, which has nothing to compare: each group is one episode.\n"
    )


def test_a_seed_fixes_the_run_whatever_the_number_of_workers(folder: Path) -> None:
    ids = [good(*RUN, "--seed", "3", "--workers", n, "--out", n).split()[0] for n in ("1", "4")]
    assert ids[0] == ids[1]
    assert opened(ids[0], "1").load_episodes(ids[0]) == opened(ids[1], "4").load_episodes(ids[1])


def test_a_resumed_run_plays_only_what_is_missing(run_id: str) -> None:
    with opened(run_id) as store:
        whole, record = store.load_episodes(run_id), store.run(run_id)
    settings = {f: getattr(record, f) for f in ("env_id", "agent_id", "config", "seed")}
    store, stopped = new_run(Path("runs"), **settings)
    with store:
        store.add_episodes(stopped, [whole[1], whole[4]])
    assert stopped != run_id
    assert good("run", "--resume", stopped).split()[0] == stopped
    with opened(stopped) as store:
        assert store.load_episodes(stopped) == whole
        assert store.run(stopped).status == "finished"


def test_an_interrupted_run_says_how_to_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("credit_gym.agents.rollout.runner.run_episodes", interrupted)
    result = call(*RUN)
    run_id = result.stdout.strip()
    assert result.exit_code == 130
    assert result.stderr == f"Interrupted; go on with: credit-gym run --out runs --resume {run_id}\n"
    assert opened(run_id).run(run_id).status == "interrupted"
    monkeypatch.setattr("credit_gym.agents.rollout.runner.run_episodes", run_episodes)
    assert "6 episodes" in good("run", "--resume", run_id)


@pytest.mark.slow
def test_a_run_killed_by_signal_nine_goes_on_to_the_same_episodes(folder: Path) -> None:
    arguments = ("run", "--env", "credit/Stochastic-v0", "--episodes", "1500", "--agent", "random")
    command = [sys.executable, "-m", "credit_gym.cli", *arguments, "--out", "killed"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 0 < len(opened(run_id, "killed").episode_ids(run_id)) < 1500
    assert good("run", "--resume", run_id, "--out", "killed").split()[0] == run_id
    assert good(*arguments, "--out", "whole").split()[0] == run_id
    assert opened(run_id, "killed").load_episodes(run_id) == opened(run_id, "whole").load_episodes(run_id)


@pytest.mark.slow
def test_ray_plays_the_same_run(folder: Path) -> None:
    pytest.importorskip("ray")
    ids = [good(*RUN, "--executor", each, "--workers", "2", "--out", each).split()[0] for each in ("local", "ray")]
    assert ids[0] == ids[1]
    assert opened(ids[0], "local").load_episodes(ids[0]) == opened(ids[1], "ray").load_episodes(ids[1])


@pytest.mark.slow
def test_a_tiny_language_model_is_trained_and_plays(folder: Path) -> None:
    pytest.importorskip("transformers")
    env = ("--env", "credit/Stochastic-v0")
    trained = call("tiny-lm", "tiny", *env, "--episodes", "40", "--steps", "4", "--hidden", "32", "--layers", "1")
    assert re.search(r"^tiny: \d+ weights, .* loss ", trained.stdout)
    played = call("run", *env, "--episodes", "2", "--agent", "hf:tiny", "--prompting", "constrained")
    run_id = played.stdout.split()[0]
    with opened(run_id) as store:
        for episode in store.load_episodes(run_id):
            assert episode.token_ids is not None
            assert episode.prompt_token_ids is not None
            assert [len(ids) for ids in episode.token_ids] == [len(row) for row in episode.policy_logprobs or ()]
            assert set(episode.decodings or ()) == {"constrained"}


def test_stored_runs_are_scored_again_with_options(run_id: str) -> None:
    out = good("score", run_id, str(Path("runs") / run_id), "--scorer", "gae", "--option", "lam=0.5")
    assert out.count("gae(lam=0.5)") == 2
    assert opened(run_id).target_sets(run_id) == [(DEFAULT, {}), ("gae", {"lam": 0.5})]


def test_targets_are_written_in_both_formats(run_id: str) -> None:
    path = good("targets", run_id, "--scorer", "crbc", "--scorer", "grpo").strip()
    assert Path(path) == Path("runs") / run_id / "targets.parquet"
    good("targets", run_id, "--scorer", "crbc", "--scorer", "grpo", "--to", "jsonl", "--out", "t.jsonl")
    lines = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    assert lines == read_parquet(path).turns.to_pylist()
    assert [line["credit_crbc"] for line in lines] == [t.credit for t in opened(run_id).load_targets(run_id, "crbc")]


def test_a_report_shows_the_scorers_of_the_run(run_id: str) -> None:
    good("score", run_id, "--scorer", "crbc")
    page = Path(good("report", run_id).strip()).read_text("utf-8")
    assert [scorer["name"] for scorer in _overview(page)["scorers"]] == ["crbc", DEFAULT]
    assert good("report", run_id, "--scorer", "grpo", "--episodes", "2", "--out", "r.html") == "r.html\n"
    assert len(_overview(Path("r.html").read_text("utf-8"))["episodes"]["steps"]) == 2


def _overview(page: str) -> dict[str, Any]:
    return json.loads(re.search(r'<script id="overview" type="application/json">(.*?)</script>', page)[1])


def test_a_sweep_runs_resumes_and_is_shown_in_every_format(folder: Path) -> None:
    Path("tiny.yaml").write_text(SWEEP)
    out = good("sweep", "--config", "tiny.yaml")
    group_id = out.split()[0]
    assert "outcome_only" in out
    assert good("sweep", "--resume", group_id) == out
    assert "| crbc |" in good("report", group_id, "--to", "markdown")
    assert r"\toprule" in good("report", group_id, "--to", "latex")
    assert good("report", group_id, "--to", "latex", "--out", "t.tex") == "t.tex\n"
    assert good("report", group_id, "--to", "terminal").strip() in out
    assert "give --to markdown" in call("report", group_id, "--to", "terminal", "--out", "t").stderr
    path = Path(good("report", group_id).strip())
    page = path.read_text("utf-8")
    assert path == Path("runs") / group_id / "report.html"
    assert page.count("<table>") == page.count('src="data:image/svg+xml;base64,') > 0
    assert "outcome_only" in page
    assert Path(good("report", group_id, "--out", "g.html").strip()).read_text("utf-8") == page


def test_a_person_plays_by_number_or_by_text(folder: Path) -> None:
    out = good("play", "--env", "credit/Stochastic-v0", "--seed", "1", input="dance\n" + "1\n" * 200)
    assert "What each step changed" in out
    assert "dance" in out
    left = call("play", "--env", "credit/Stochastic-v0", input="1\n")
    assert left.exit_code == 130


@pytest.mark.slow
def test_descriptions_name_arguments_and_formulas() -> None:
    assert re.search(r"task +'selfloop'", good("envs", "credit/Diagnostic-v0"))
    assert "credit/ALFWorld-v0" in good("envs")
    assert "kappa" in good("scorers", DEFAULT)
    assert "declared exact: the change of an exact potential" in good("envs", "credit/ALFWorld-v0")
    assert "not declared exact" in good("envs", "credit/Stochastic-v0")
    assert "branch_aware" in good("scorers")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run",), "give --env with the id of an environment"),
        (("run", "--env", "credit/Stochastik-v0"), "did you mean credit/Stochastic-v0"),
        (("run", "--env", "CartPole-v1"), "is not a text environment"),
        (
            ("run", "--env", "credit/Stochastic-v0", "--env-arg", "colour=1"),
            "There is no option of stochastic called 'colour'",
        ),
        (("run", "--env", "credit/Stochastic-v0", "--env-arg", "colour"), "write KEY=VALUE, not 'colour'"),
        (("run", "--env", "credit/Stochastic-v0", "--agent", "nosy:0.3"), "did you mean noisy?"),
        (("run", "--env", "credit/Stochastic-v0", "--episodes", "many"), "Invalid value for '--episodes'"),
        (("run", "--env", "credit/Stochastic-v0", "--scorer", "grop"), "did you mean"),
        (("run", "--env", "credit/Stochastic-v0", "--out", "file/runs"), "cannot be made"),
        (("run", "--resume", "run_000000000000", "--out", "none"), "There is nothing stored in none"),
        (("run", "--resume", "run_0", "--seed", "1"), "a resumed run keeps its own settings"),
        (("run", "--resume", "run_0", "--temperature", "1"), "a resumed run keeps its own settings"),
        (("run", "--env", "credit/Stochastic-v0", "--executor", "spark"), "no executor called 'spark'"),
        (("run", "--env", "credit/Stochastic-v0", "--max-cost", "1"), "--max-cost is for language models"),
        (("run", "--env", "credit/Stochastic-v0", "--prompting", "react"), "and 'random' is none"),
        (("tiny-lm", "models/tiny"), "give --env with the id of an environment"),
        (("score", "run_0"), "There is nothing stored in runs"),
        (("score", "run_0", "--scorer", "gae", "--runs-dir", "none"), "There is nothing stored in none"),
        (("targets", "nothing", "--scorer", "gae", "--to", "csv"), "no target format called 'csv'"),
        (("sweep",), "give --config with a YAML file"),
        (("sweep", "--config", "none.yaml"), "no sweep configuration called 'none.yaml'"),
        (("scorers", "grop"), "no scorer called 'grop'"),
        (("envs", "credit/None-v0"), "None"),
        (("envs", "\x1b[31m\nred"), r"\x1b[31m"),
        (("dance",), "No such command 'dance'"),
        (("run", "--dance"), "No such option"),
    ],
)
def test_an_error_is_one_sentence_and_exit_code_two(folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    Path("file").touch()
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert sentence in result.stderr
    assert not Path("runs").exists()


def test_errors_about_a_stored_run_name_what_is_known(run_id: str) -> None:
    cases = {
        ("score", "run_0", "--scorer", "gae"): f"no run or group called 'run_0'; known: {run_id}",
        ("score", run_id, "--scorer", "gae", "--option", "lamb=1"): "no option of gae called 'lamb'; did you mean lam?",
        ("score", run_id, "--scorer", "gae", "--option", "lam=x"): "lam of gae must be a number in [0, 1], not 'x'",
        ("score", run_id, "--scorer", "oracle"): "credit_gym.exact.oracle.annotate",
        ("report", run_id, "--out", f"runs/{run_id}/store.sqlite/report.html"): "cannot be written",
        ("report", "group_0"): "no run or group called 'group_0'",
    }
    for arguments, sentence in cases.items():
        result = call(*arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert sentence in result.stderr
