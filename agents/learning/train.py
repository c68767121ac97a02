"""Train a language model on-policy by TRL, with the per-turn credit of any registered scorer as the advantage.

One optimizer step plays ``groups`` tasks ``group_size`` times each with the model as it stands, scores the episodes and
takes one policy-gradient step in which every sampled token carries the credit of its turn. The same settings give the
same curve on one machine and one thread, whether the training was stopped and resumed or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import gymnasium as gym

from credit_gym.agents.learning.checkpoints import newest, step_of
from credit_gym.agents.learning.grpo import grpo_trainer
from credit_gym.agents.learning.throughput import Stopwatch
from credit_gym.agents.learning.trainer_rollouts import Rollout
from credit_gym.agents.learning.training import SETTINGS, Training, load_training, save_training
from credit_gym.agents.likelihood.belief_spec import parse_believer
from credit_gym.agents.llm.model_paths import check_path
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.errors import StoreError, unknown
from credit_gym.scorers import check_options
from credit_gym.store import sole_use
from credit_gym.wrappers import RecordBelief, RecordVerifier

CURVE = "curve.jsonl"
SPEED = "speed.jsonl"
MODEL = "model"
DTYPES = ("auto", "float32", "bfloat16")


def train(
    folder: str | Path, training: Training, on_step: Callable[[Mapping[str, float]], None] = lambda row: None
) -> Path:
    """Train from the start.

    The folder holds the settings (``training.json``), one line per step (``curve.jsonl``: ``step``, ``loss``,
    ``return``, ``success``, ``turns``, ``credit_mean``, ``credit_std``, ``failed``, ``turns_left_out``; ``trust`` and
    ``trust_weight`` where the scorer goes by what was learned of the verifier), another with what the step took
    (``speed.jsonl``, see :meth:`credit_gym.agents.learning.throughput.Stopwatch.lap`), sealed checkpoints, and at the
    end the model with its tokenizer in ``model/``.

    Args:
        folder: where; it must not hold a training yet, but for one that ended before its first step.
        training: the settings.
        on_step: told each line of the curve.

    Returns:
        The folder of the model.

    Raises:
        MissingExtraError: trl (or peft, for LoRA) is not installed, or its version does not fit.
        UnknownNameError: there is no such scorer, environment, loss, dtype or way to play.
        CreditGymError: the settings do not fit together.
        StoreError: the folder holds a training, or cannot be written.
    """
    folder = Path(folder)
    check_options(training.scorer, training.options, key=True)
    check_path(training.model)
    if (folder / SETTINGS).exists() and _lines_up_to(folder / CURVE, training.steps):
        raise StoreError(f"{folder} holds a training already: resume it, or give another folder.")
    run = _Run(folder, training, on_step)
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with sole_use(folder):
        with _written(folder):
            save_training(folder, training)
        return run.go(None)


def resume(
    folder: str | Path,
    on_step: Callable[[Mapping[str, float]], None] = lambda row: None,
    *,
    trust_remote_code: bool = False,
) -> Path:
    """Go on with a training from its newest complete checkpoint, or from the start if it has none.

    Args:
        folder: of the training.
        on_step: told each new line of the curve.
        trust_remote_code: run code that comes with the model; asked for anew, whatever the folder says.

    Returns:
        The folder of the model.

    Raises:
        StoreError: there is no training, its settings or its newest checkpoint are damaged, or it is under way already.
    """
    folder = Path(folder)
    training = replace(load_training(folder), trust_remote_code=trust_remote_code)
    with sole_use(folder):
        checkpoint = newest(folder)
        return _Run(folder, training, on_step).go(checkpoint)


class _Run:
    """A training in this process."""

    def __init__(self, folder: Path, training: Training, on_step: Callable[[Mapping[str, float]], None]) -> None:
        from credit_gym.agents.learning.synced import PLAYERS, SyncedHuggingFace

        for kind, name, known in (("player", training.rollouts, list(PLAYERS)), ("dtype", training.dtype, DTYPES)):
            if name not in known:
                raise unknown(kind, name, known)
        dtype = _dtype(training.dtype)
        self._folder, self._training, self._on_step = folder, training, on_step
        trusted = training.trust_remote_code
        model = SyncedHuggingFace(
            training.model, dtype=dtype if training.lora_rank else "float32", trust_remote_code=trusted
        )
        options = {**training.vllm_options, "trust_remote_code": trusted}
        player = PLAYERS[training.rollouts](model, dtype, options)
        self._rollout = Rollout(
            self._environment, player, training.prompting, training.scorer, training.options, seed=training.seed
        )
        self._trainer = grpo_trainer(
            folder, training, model, self._rollout, self._noted, bf16=dtype == "bfloat16", corrected=player.corrected
        )

    def go(self, checkpoint: Path | None) -> Path:
        done = 0 if checkpoint is None else step_of(checkpoint)
        for name in (CURVE, SPEED):
            path = self._folder / name
            path.write_text("".join(_lines_up_to(path, done)), encoding="utf-8")
        if checkpoint is not None:
            self._rollout.scorer.load(checkpoint)
        self._stopwatch = Stopwatch()
        try:
            self._trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        finally:
            self._rollout.close()
        model = self._folder / MODEL
        trained = self._trainer.model
        if self._training.lora_rank:
            trained = trained.merge_and_unload()
        trained.save_pretrained(model)
        self._trainer.processing_class.save_pretrained(model)
        return model

    def _environment(self) -> gym.Env[str, str]:
        training = self._training
        env = RecordVerifier(gym.make(training.env, **training.env_args))
        return RecordBelief(env, parse_believer(training.belief, training.prompting)) if training.belief else env

    def _noted(self, step: int, loss: float) -> None:
        row = {"step": step, "loss": loss, **self._rollout.summary}
        speed = {"step": step, **self._stopwatch.lap(self._rollout.effort)}
        for name, line in ((SPEED, speed), (CURVE, row)):
            with (self._folder / name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self._on_step(row)


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Say what to do where a folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error}): give another folder.") from error


def _dtype(name: str) -> str:
    import torch

    return name if name != "auto" else "bfloat16" if torch.cuda.is_available() else "float32"


def _lines_up_to(path: Path, step: int) -> list[str]:
    """The lines of a curve up to a step; one that was cut off while it was written is dropped."""
    kept = []
    for line in file_text(path).splitlines(keepends=True) if path.exists() else ():
        try:
            row = read_json(line)
        except ValueError:
            continue
        if row["step"] <= step:
            kept.append(line)
    return kept
