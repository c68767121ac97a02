"""Train a language model on-policy by TRL, with the per-turn credit of any registered scorer as the advantage.

One optimizer step plays ``groups`` tasks ``group_size`` times each with the model as it stands, scores the episodes and
takes one policy-gradient step in which every sampled token carries the credit of its turn. The same settings give the
same curve on one machine and one thread, whether the training was stopped and resumed or not.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import gymnasium as gym

from credit_gym.agents.learning.checkpoints import newest, step_of
from credit_gym.agents.learning.evaluation import Evaluation
from credit_gym.agents.learning.grpo import grpo_trainer
from credit_gym.agents.learning.learning_curve import CURVE, EVALUATION, draw, rows_up_to
from credit_gym.agents.learning.throughput import Stopwatch
from credit_gym.agents.learning.trainer_rollouts import Rollout
from credit_gym.agents.learning.training import SETTINGS, Training, load_training, save_training
from credit_gym.agents.likelihood.belief_spec import parse_believer
from credit_gym.agents.llm.model_paths import check_path
from credit_gym.errors import StoreError, unknown
from credit_gym.registration import unknown_environment
from credit_gym.scorers import check_options
from credit_gym.store import sole_use
from credit_gym.wrappers import RecordBelief, RecordVerifier

SPEED = "speed.jsonl"
MODEL = "model"
REDRAWN = 30.0
"""Seconds after which a step draws the figure anew; it takes well under one."""
DTYPES = ("auto", "float32", "bfloat16")

Told = Callable[[Mapping[str, float]], None]


class TrainingStopped(KeyboardInterrupt):
    """SIGTERM ended a training; the step that was under way is saved."""


def _to_nobody(row: Mapping[str, float]) -> None:
    """Tell nobody."""


def train(folder: str | Path, training: Training, on_step: Told = _to_nobody, on_evaluation: Told = _to_nobody) -> Path:
    """Train from the start.

    The folder holds the settings (``training.json``), one line per step (``curve.jsonl``: ``step``, ``loss``,
    ``return``, ``success``, ``turns``, ``credit_mean``, ``credit_std``, ``failed``, ``turns_left_out``; ``trust`` and
    ``trust_weight`` where the scorer goes by what was learned of the verifier), another with what the step took
    (``speed.jsonl``, see :meth:`credit_gym.agents.learning.throughput.Stopwatch.lap`), one per evaluation
    (``evaluation.jsonl``, see :class:`~credit_gym.agents.learning.evaluation.Evaluation`), a figure of both
    (``curve.png``, drawn at each checkpoint and every half a minute), sealed checkpoints, and at the end the model with
    its tokenizer in ``model/``. On SIGTERM the step under way is finished and saved.

    Args:
        folder: where; it must not hold a training yet, but for one that ended before its first step.
        training: the settings.
        on_step: told each line of the curve.
        on_evaluation: told each evaluation.

    Returns:
        The folder of the model.

    Raises:
        MissingExtraError: trl (or peft, for LoRA) is not installed, or its version does not fit.
        UnknownNameError: there is no such scorer, environment, loss, dtype or way to play.
        CreditGymError: the settings do not fit together.
        StoreError: the folder holds a training, or cannot be written.
        TrainingStopped: SIGTERM ended it.
    """
    folder = Path(folder)
    check_options(training.scorer, training.options, key=True)
    check_path(training.model)
    if (folder / "config.json").exists():
        raise StoreError(f"{folder} holds a model: give the training a folder of its own.")
    if (folder / SETTINGS).exists() and rows_up_to(folder / CURVE, training.steps):
        raise StoreError(f"{folder} holds a training already: resume it, or give another folder.")
    run = _Run(folder, training, on_step, on_evaluation)
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with sole_use(folder):
        with _written(folder):
            save_training(folder, training)
        return run.go(None)


def resume(
    folder: str | Path,
    on_step: Told = _to_nobody,
    on_evaluation: Told = _to_nobody,
    *,
    trust_remote_code: bool = False,
) -> Path:
    """Go on with a training from its newest complete checkpoint, or from the start if it has none.

    Args:
        folder: of the training.
        on_step: told each new line of the curve.
        on_evaluation: told each new evaluation.
        trust_remote_code: run code that comes with the model; asked for anew, whatever the folder says.

    Returns:
        The folder of the model.

    Raises:
        StoreError: there is no training, its settings or its newest checkpoint are damaged, or it is under way already.
        TrainingStopped: SIGTERM ended it.
    """
    folder = Path(folder)
    training = replace(load_training(folder), trust_remote_code=trust_remote_code)
    with sole_use(folder):
        checkpoint = newest(folder)
        return _Run(folder, training, on_step, on_evaluation).go(checkpoint)


class _Run:
    """A training in this process."""

    def __init__(self, folder: Path, training: Training, on_step: Told, on_evaluation: Told) -> None:
        from credit_gym.agents.learning.synced import PLAYERS, SyncedHuggingFace

        for kind, name, known in (("player", training.rollouts, list(PLAYERS)), ("dtype", training.dtype, DTYPES)):
            if name not in known:
                raise unknown(kind, name, known)
        dtype = _dtype(training.dtype)
        self._folder, self._training = folder, training
        self._on_step, self._on_evaluation = on_step, on_evaluation
        trusted = training.trust_remote_code
        model = SyncedHuggingFace(
            training.model, dtype=dtype if training.lora_rank else "float32", trust_remote_code=trusted
        )
        options = {**training.vllm_options, "trust_remote_code": trusted}
        player = PLAYERS[training.rollouts](model, dtype, options)
        self._rollout = Rollout(
            self._environment, player, training.prompting, training.scorer, training.options, seed=training.seed
        )
        self._evaluation = Evaluation(
            lambda: self._environment(training.eval_env_args),
            player,
            training.prompting,
            episodes=training.eval_episodes,
            seed=training.seed,
        )
        self._stop = threading.Event()
        self._trainer = grpo_trainer(
            folder,
            training,
            model,
            self._rollout,
            self._noted,
            begun=lambda: self._evaluate(0),
            saved=lambda: draw(folder),
            stop=self._stop,
            bf16=dtype == "bfloat16",
            corrected=player.corrected,
        )

    def go(self, checkpoint: Path | None) -> Path:
        self._done = 0 if checkpoint is None else step_of(checkpoint)
        for name in (CURVE, SPEED, EVALUATION):
            path = self._folder / name
            rows = rows_up_to(path, self._done) if self._done else ()
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        if checkpoint is not None:
            self._rollout.scorer.load(checkpoint)
        self._stopwatch, self._drawn = Stopwatch(), monotonic()
        try:
            with _terminating(self._stop):
                self._trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
                if self._trainer.state.global_step < self._training.steps:
                    raise TrainingStopped(f"{self._folder} is saved at step {self._trainer.state.global_step}.")
                self._evaluate(self._training.steps)
        finally:
            self._rollout.close()
            self._evaluation.close()
        draw(self._folder)
        model = self._folder / MODEL
        trained = self._trainer.model
        if self._training.lora_rank:
            trained = trained.merge_and_unload()
        trained.save_pretrained(model)
        self._trainer.processing_class.save_pretrained(model)
        return model

    def _environment(self, changed: Mapping[str, Any] | None = None) -> gym.Env[str, str]:
        training = self._training
        try:
            env = RecordVerifier(gym.make(training.env, **{**training.env_args, **(changed or {})}))
        except gym.error.UnregisteredEnv:
            raise unknown_environment(training.env) from None
        return RecordBelief(env, parse_believer(training.belief, training.prompting)) if training.belief else env

    def _noted(self, step: int, loss: float) -> None:
        row = {"step": step, "loss": loss, **self._rollout.summary}
        self._add(SPEED, {"step": step, **self._stopwatch.lap(self._rollout.effort)})
        self._add(CURVE, row)
        if monotonic() - self._drawn >= REDRAWN:
            draw(self._folder)
            self._stopwatch, self._drawn = Stopwatch(), monotonic()
        self._on_step(row)
        every = self._training.eval_every
        if every and step % every == 0 and step < self._training.steps:
            self._evaluate(step)

    def _evaluate(self, step: int) -> None:
        """Evaluate the model as it stands after a step, unless that was done before the training was stopped."""
        known = rows_up_to(self._folder / EVALUATION, step)
        if not self._training.eval_episodes or step < self._done or any(row["step"] == step for row in known):
            return
        trainer = self._trainer
        row = {"step": step, **self._evaluation(trainer.accelerator.unwrap_model(trainer.model))}
        self._add(EVALUATION, row)
        self._on_evaluation(row)
        self._stopwatch = Stopwatch()

    def _add(self, name: str, row: Mapping[str, object]) -> None:
        with (self._folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


@contextmanager
def _terminating(stop: threading.Event) -> Iterator[None]:
    """Let a first SIGTERM set an event meanwhile; a second one does what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL

    def finish(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGTERM, outer)

    signal.signal(signal.SIGTERM, finish)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, outer)


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
