"""On-policy training: the same curve with and without an interruption, and damaged checkpoints refused by name."""

from __future__ import annotations

import base64
import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from builders.tiny_models import tiny_model
from typer.testing import CliRunner

import credit_gym.cli.train  # noqa: F401 - registers its command
from credit_gym.cli import app
from credit_gym.errors import CreditGymError, MissingColumnError, MissingExtraError, StoreError, UnknownNameError
from credit_gym.estimation.trust import UNKNOWN
from credit_gym.scorers import DEFAULT

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from credit_gym.agents.learning.checkpoints import newest, seal  # noqa: E402 - they need no torch, the rest does
from credit_gym.agents.learning.train import TrainingStopped, resume, train  # noqa: E402
from credit_gym.agents.learning.training import Training, load_training  # noqa: E402
from credit_gym.agents.llm.prompting import Prompting  # noqa: E402


class Killed(BaseException):
    """Stands for a signal that nobody catches."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(
        tmp_path_factory.mktemp("models") / "tiny", layers=1, hidden=32, vocab=300, max_position_embeddings=4096
    )


def settings(model: Path, **changes: Any) -> Training:
    fields: dict[str, Any] = {
        "env": "credit/Stochastic-v0",
        "env_args": {"num_tasks": 3, "max_episode_steps": 3},
        "model": str(model),
        "scorer": "random",
        "prompting": Prompting(max_tokens=2, decoding="nearest"),
        "steps": 4,
        "groups": 2,
        "group_size": 2,
        "learning_rate": 1e-2,
        "save_every": 1,
        "eval_episodes": 0,
    }
    return Training(**{**fields, **changes})


def curve(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_killed_training_goes_on_as_if_nothing_had_happened(model: Path, tmp_path: Path) -> None:
    def kill(row: Any) -> None:
        if row["step"] == 3:
            raise Killed

    train(tmp_path / "whole", settings(model))
    with pytest.raises(Killed):
        train(tmp_path / "killed", settings(model), kill)
    resumed: list[float] = []
    resume(tmp_path / "killed", lambda row: resumed.append(row["step"]))
    assert resumed == [3, 4]  # the third step was noted but not yet saved
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    assert [row["step"] for row in curve(tmp_path / "whole")] == [1, 2, 3, 4]
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert weights(tmp_path / "whole") != (model / "model.safetensors").read_bytes()
    assert all(row["episodes"] == 4 and row["turns_left_out"] == 0 for row in curve(tmp_path / "whole"))


@pytest.mark.slow
def test_what_was_learned_of_the_verifier_is_logged_and_outlives_a_kill(model: Path, tmp_path: Path) -> None:
    def kill(row: Any) -> None:
        if row["step"] == 2:
            raise Killed

    games = {"num_tasks": 3, "max_episode_steps": 10}
    learning = settings(model, scorer=DEFAULT, steps=3, env_args=games, group_size=4, seed=1)  # one is won at first
    train(tmp_path / "whole", learning)
    with pytest.raises(Killed):
        train(tmp_path / "killed", learning, kill)
    resume(tmp_path / "killed")
    rows = curve(tmp_path / "whole")
    assert curve(tmp_path / "killed") == rows
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert rows[0]["trust_weight"] > UNKNOWN.weight  # the killed one went on from there, not from the prior
    assert len({row["trust_weight"] for row in rows}) == 3
    kept = json.loads((tmp_path / "whole" / "checkpoint-3" / "trust.json").read_text())
    assert kept == {"agreement": rows[-1]["trust"], "weight": rows[-1]["trust_weight"]}
    assert "trust.json" in (tmp_path / "whole" / "checkpoint-3" / "sealed.json").read_text()


def evaluations(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "evaluation.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_success_is_measured_before_and_after_and_on_the_way_and_changes_nothing(model: Path, tmp_path: Path) -> None:
    def kill(row: Any) -> None:
        if row["step"] == 3:
            raise Killed

    asked = {"eval_episodes": 6, "eval_every": 1, "eval_env_args": {"num_tasks": 2}, "save_every": 2, "steps": 3}
    told: list[dict[str, float]] = []
    train(tmp_path / "whole", settings(model, **asked), on_evaluation=lambda row: told.append(dict(row)))
    train(tmp_path / "unseen", settings(model, steps=3))
    assert weights(tmp_path / "whole") == weights(tmp_path / "unseen")
    assert told == evaluations(tmp_path / "whole")
    assert [row["step"] for row in told] == [0, 1, 2, 3]
    assert all(row["episodes"] == 6 and row["low"] <= row["success"] <= row["high"] for row in told)
    with pytest.raises(Killed):
        train(tmp_path / "killed", settings(model, **asked), kill)
    resume(tmp_path / "killed")
    assert evaluations(tmp_path / "killed") == told
    again = train(tmp_path / "again", settings(tmp_path / "whole" / "model", **{**asked, "steps": 1}))
    assert evaluations(again.parent)[0] == {**told[-1], "step": 0}  # the same episodes, whoever plays and whenever


@pytest.mark.slow
def test_sigterm_finishes_the_step_and_saves_it(model: Path, tmp_path: Path) -> None:
    def terminate(row: Any) -> None:
        if row["step"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    asked = settings(model, save_every=100, steps=40)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingStopped, match="is saved at step 3"):  # the second was over when it was noted
        train(tmp_path / "t", asked, terminate)
    assert signal.getsignal(signal.SIGTERM) is before
    found = newest(tmp_path / "t")
    assert found is not None
    assert found.name == "checkpoint-3"
    assert not (tmp_path / "t" / "model").exists()


@pytest.mark.slow
def test_there_is_a_checkpoint_after_every_tenth_of_the_steps(model: Path, tmp_path: Path) -> None:
    steps: set[str] = set()

    def look(row: Any) -> None:
        steps.update(path.name for path in (tmp_path / "t").glob("checkpoint-*"))

    train(tmp_path / "t", settings(model, steps=20, save_every=100), look)
    assert steps == {f"checkpoint-{step}" for step in range(2, 20, 2)}


@pytest.mark.slow
def test_the_curve_is_drawn_while_it_grows_and_shown_on_a_page(model: Path, tmp_path: Path) -> None:
    drawn: list[bytes] = []

    def look(row: Any) -> None:
        drawn.extend([(tmp_path / "t" / "curve.png").read_bytes()] if row["step"] > 1 else [])

    train(tmp_path / "t", settings(model, steps=3, eval_episodes=4), look)
    assert len(set(drawn)) == 2
    result = CliRunner().invoke(app, ["report", str(tmp_path / "t")])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "t" / "report.html").read_text()
    assert base64.b64encode((tmp_path / "t" / "curve.png").read_bytes()).decode() in page
    assert "img-src data:" in page
    rows = evaluations(tmp_path / "t")
    assert f"{rows[0]['success']:.1%} [{rows[0]['low']:.1%}, {rows[0]['high']:.1%}]" in page
    shown = CliRunner().invoke(app, ["report", str(tmp_path / "t"), "--to", "markdown"])
    assert "Learning curve" in shown.output


@pytest.mark.slow
def test_the_curve_is_redrawn_between_checkpoints(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credit_gym.agents.learning.train.REDRAWN", 0.0)
    drawn: list[bytes] = []
    train(
        tmp_path / "t",
        settings(model, steps=2, save_every=100),
        lambda _: drawn.append((tmp_path / "t" / "curve.png").read_bytes()),
    )
    assert len(set(drawn)) == 2
    assert not [*(tmp_path / "t").glob("*.part")]


def test_an_unknown_environment_is_told_by_the_ids_near_it(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean credit/ALFWorld-v0"):
        train(tmp_path / "t", settings(model, env="ALFWorld-v0", env_args={}))
    assert not (tmp_path / "t").exists()


@pytest.mark.slow
def test_lora_trains_adapters_and_saves_a_merged_model(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    start = AutoModelForCausalLM.from_pretrained(model).state_dict()
    saved = train(tmp_path / "lora", settings(model, lora_rank=2, steps=2))
    end = AutoModelForCausalLM.from_pretrained(saved).state_dict()
    changed = {name for name, tensor in start.items() if not torch.equal(tensor, end[name])}
    assert changed
    assert all("proj" in name for name in changed)


@pytest.mark.slow
def test_bfloat16_computes_in_half_precision_and_keeps_the_trained_weights_whole(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    from credit_gym.agents.learning.trainer_rollouts import Rollout

    play, seen = Rollout.__call__, []

    def noted(rollout: Rollout, prompts: Any, trainer: Any) -> Any:
        played = play(rollout, prompts, trainer)
        linear = rollout._backend.model.model.layers[0].mlp.down_proj  # type: ignore[attr-defined]
        hook = linear.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
        play(rollout, prompts, trainer)
        hook.remove()
        return played

    monkeypatch.setattr(Rollout, "__call__", noted)
    train(tmp_path / "half", settings(model, dtype="bfloat16", steps=1))
    assert set(seen) == {torch.bfloat16}  # episodes are sampled as they are trained on
    assert {tensor.dtype for tensor in load_file(tmp_path / "half" / "model" / "model.safetensors").values()} == {
        torch.float32
    }
    seen.clear()
    train(tmp_path / "whole", settings(model, dtype="float32", steps=1))
    assert set(seen) == {torch.float32}
    assert weights(tmp_path / "half") != weights(tmp_path / "whole")


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vllm is installed")
def test_rollouts_by_vllm_name_the_extra_that_they_need(model: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "credit-gym\[vllm\]"'):
        train(tmp_path / "run", settings(model, rollouts="vllm", vllm_options={"max_model_len": 99}))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_speed_is_noted_beside_the_curve(model: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", settings(model, steps=2))
    rows = [json.loads(line) for line in (tmp_path / "run" / "speed.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        assert 0 < row["sampled_tokens"] < row["tokens"]
        assert 0 < row["rollout_seconds"] < row["seconds"]
        assert row["tokens_per_second"] == pytest.approx(row["tokens"] / row["seconds"])
        assert ("peak_memory_gib" in row) == ("device" in row) == torch.cuda.is_available()


def checkpoint(folder: Path, step: int) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights" * step)
    return path


def test_a_damaged_checkpoint_is_refused_by_name_and_an_unfinished_one_passed_over(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for step in (9, 10):
        seal(checkpoint(tmp_path, step))
    checkpoint(tmp_path, 11)  # killed before its seal
    assert newest(tmp_path) == tmp_path / "checkpoint-10"
    file = tmp_path / "checkpoint-10" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(
        StoreError, match=r"checkpoint-10/model.safetensors is damaged .* delete the folder checkpoint-10"
    ):
        newest(tmp_path)
    file.unlink()
    with pytest.raises(StoreError, match=r"checkpoint-10/model.safetensors is missing"):
        newest(tmp_path)
    (tmp_path / "checkpoint-10" / "sealed.json").write_text("[")
    with pytest.raises(StoreError, match=r"checkpoint-10/sealed.json is damaged"):
        newest(tmp_path)


def test_settings_survive_the_disk_and_damaged_ones_are_refused(model: Path, tmp_path: Path) -> None:
    from dataclasses import asdict

    from credit_gym.agents.llm.prompting import prompting_record

    training = settings(model)
    record = {**asdict(training), "prompting": prompting_record(training.prompting)}
    (tmp_path / "training.json").write_text(json.dumps(record))
    assert load_training(tmp_path) == training
    (tmp_path / "training.json").write_text(json.dumps({**record, "stepps": 1}))
    with pytest.raises(StoreError, match="did you mean steps"):
        load_training(tmp_path)
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        resume(tmp_path)
    with pytest.raises(StoreError, match="holds no training"):
        resume(tmp_path / "elsewhere")


def test_what_makes_no_sense_is_refused_before_anything_is_loaded(model: Path, tmp_path: Path) -> None:
    for changes, said in (
        ({"group_size": 1}, "group_size must be at least 2"),
        ({"accumulate": 3}, "accumulate must divide"),
        ({"eval_every": 1}, "eval_every needs eval_episodes"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"vllm_options": {"max_model_len": 9}}, "vllm_options are for rollouts='vllm'"),
    ):
        with pytest.raises(CreditGymError, match=said):
            settings(model, **changes)
    with pytest.raises(UnknownNameError, match="did you mean outcome_only"):
        train(tmp_path / "a", settings(model, scorer="outcome_onli"))
    for changes, said in (
        ({"loss": "vespo"}, "no loss called 'vespo'"),
        ({"rollouts": "vlm"}, "did you mean vllm"),
        ({"dtype": "bfloat61"}, "did you mean bfloat16"),
    ):
        with pytest.raises(UnknownNameError, match=said):
            train(tmp_path / "b", settings(model, **changes))
    assert not (tmp_path / "b").exists()
    (tmp_path / "training.json").touch()
    (tmp_path / "curve.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(StoreError, match="holds a training already"):
        train(tmp_path, settings(model))


@pytest.mark.slow
def test_a_model_of_random_weights_learns_to_walk_by_per_turn_credit(tmp_path: Path) -> None:
    if "test/Corridor-v0" not in gym.registry:
        gym.register("test/Corridor-v0", "builders.corridor:Corridor")
    start = tiny_model(tmp_path / "m", layers=1, hidden=32, vocab=300, max_position_embeddings=2048)
    changes = {
        "env": "test/Corridor-v0",
        "env_args": {},
        "scorer": "crbc",
        "prompting": Prompting(max_tokens=2, decoding="nearest", system=""),
        "steps": 16,
        "groups": 3,
        "group_size": 8,
        "learning_rate": 3e-3,
        "save_every": 100,
    }
    train(tmp_path / "run", settings(start, **changes))
    success = [row["success"] for row in curve(tmp_path / "run")]
    assert sum(success[-4:]) > sum(success[:4]) + 1.0  # from a fifth of the episodes to more than half


@pytest.mark.slow
def test_the_command_trains_and_resumes(model: Path, tmp_path: Path) -> None:
    prompting = tmp_path / "short.yaml"
    prompting.write_text("max_tokens: 2\ndecoding: nearest\n")
    options = ("--env", "credit/Stochastic-v0", "--env-arg", "num_tasks=3", "--env-arg", "max_episode_steps=2")
    options = (*options, "--dtype", "bfloat16", "--rollouts", "hf")
    counts = ("--steps", "1", "--groups", "1", "--group-size", "2", "--eval-episodes", "3")
    folder = str(tmp_path / "t")
    for arguments in (
        (folder, *options, *counts, "--model", str(model), "--scorer", "random", "--prompting", str(prompting)),
        (folder, "--resume"),
    ):
        result = CliRunner().invoke(app, ["train", *arguments])
        assert result.exit_code == 0, result.output
        assert result.output.strip().endswith(str(tmp_path / "t" / "model"))
        assert "Success before: " in result.output
        assert "; after 1 steps: " in result.output
    assert len(curve(tmp_path / "t")) == 1
    assert load_training(tmp_path / "t").dtype == "bfloat16"


@pytest.mark.slow
def test_a_training_that_ended_before_its_first_step_blocks_no_other(model: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingColumnError):
        train(tmp_path / "t", settings(model, scorer="delta_belief", steps=1))
    (tmp_path / "t" / "training.json").write_text("{")  # nothing was learned, so nothing is lost with it
    train(tmp_path / "t", settings(model, steps=1))
    assert load_training(tmp_path / "t").scorer == "random"
    with pytest.raises(StoreError, match="holds a training already"):
        train(tmp_path / "t", settings(model, steps=1))


def test_a_refused_training_leaves_no_folder(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["train", "t", "--env", "credit/TwentyQuestions-v0", "--model", str(model)]
    result = CliRunner().invoke(app, [*command, "--scorer", "delta_belief"])
    assert result.exit_code == 2
    assert "add --belief exact" in result.stderr
    assert not (tmp_path / "t").exists()


@pytest.mark.slow
def test_beliefs_are_recorded_for_the_scorer_that_needs_them(model: Path, tmp_path: Path) -> None:
    env_args = {"turns": 3}
    asked = {"env": "credit/TwentyQuestions-v0", "env_args": env_args, "scorer": "delta_belief", "belief": "exact"}
    train(tmp_path / "t", settings(model, steps=1, **asked))
    (row,) = map(json.loads, (tmp_path / "t" / "curve.jsonl").read_text().splitlines())
    assert row["failed"] == 0
    assert load_training(tmp_path / "t").belief == "exact"
