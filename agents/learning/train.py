"""Train a language model on-policy by TRL, with the per-turn credit of any registered scorer as the advantage.

One optimizer step plays ``groups`` tasks ``group_size`` times each with the model as it stands, scores the episodes and
takes one policy-gradient step in which every sampled token carries the credit of its turn. The same settings give the
same curve on one machine and one thread, whether the training was stopped and resumed or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import gymnasium as gym

from credit_gym.agents.learning.checkpoints import newest, seal, step_of
from credit_gym.agents.learning.throughput import Stopwatch
from credit_gym.agents.learning.trainer_rollouts import Rollout
from credit_gym.agents.llm.prompting import Prompting, prompting_from, prompting_record
from credit_gym.errors import CreditGymError, StoreError, missing_extra, unknown
from credit_gym.scorers import get
from credit_gym.wrappers import RecordVerifier

SETTINGS = "training.json"
CURVE = "curve.jsonl"
SPEED = "speed.jsonl"
MODEL = "model"
DTYPES = ("auto", "float32", "bfloat16")

_OF_LOSS: dict[str, dict[str, Any]] = {"cispo": {"epsilon_high": 5.0}}  # its cap on the ratio; TRL's 0.2 is PPO's


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What fixes a training.

    Attributes:
        env: Gymnasium id of the environment, which must have ``num_tasks``.
        model: folder of the model to start from.
        scorer: a registered scorer; its credits are the advantages as they are, so choose one that centres them.
        env_args: arguments of the environment.
        options: keyword options of the scorer.
        prompting: how the model is asked and read; its chat may only grow.
        steps: optimizer steps.
        groups: tasks of a step.
        group_size: episodes of a task, at least 2.
        accumulate: parts in which the episodes of a step are put through the model; it must divide their number.
        learning_rate: of AdamW, constant.
        loss: one of TRL's, see :data:`credit_gym.agents.learning.trl_trainer.LOSSES`.
        lora_rank: rank of LoRA adapters on all linear layers; 0 trains every weight.
        rollouts: who plays: ``hf``, the trained model itself, or ``vllm``, an engine in this process that gets its
            weights before every step.
        engine: arguments of ``vllm.LLM``, such as ``gpu_memory_utilization`` or ``max_model_len``.
        dtype: what the forward passes compute in; ``auto`` is bfloat16 on a GPU and float32 elsewhere. Weights that are
            trained stay in float32, where small steps are not lost.
        save_every: steps between checkpoints.
        keep: most checkpoints kept.
        seed: fixes everything.
    """

    env: str
    model: str
    scorer: str
    env_args: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    prompting: Prompting = field(default_factory=Prompting)
    steps: int = 100
    groups: int = 4
    group_size: int = 8
    accumulate: int = 1
    learning_rate: float = 1e-5
    loss: str = "dapo"
    lora_rank: int = 0
    rollouts: str = "hf"
    engine: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "auto"
    save_every: int = 20
    keep: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        problems = {
            "steps, groups, accumulate, save_every and keep must be at least 1": (
                min(self.steps, self.groups, self.accumulate, self.save_every, self.keep) < 1
            ),
            "group_size must be at least 2": self.group_size < 2,
            "lora_rank must be at least 0": self.lora_rank < 0,
            "learning_rate must be above 0": not self.learning_rate > 0,
            "seed must be at least 0": self.seed < 0,
            "engine is for rollouts='vllm'": bool(self.engine) and self.rollouts != "vllm",
            "accumulate must divide groups * group_size": self.groups * self.group_size % max(self.accumulate, 1) != 0,
        }
        for problem, applies in problems.items():
            if applies:
                raise CreditGymError(f"This training makes no sense: {problem}.")


def train(
    folder: str | Path, training: Training, on_step: Callable[[Mapping[str, float]], None] = lambda row: None
) -> Path:
    """Train from the start.

    The folder holds the settings (``training.json``), one line per step (``curve.jsonl``: ``step``, ``loss``,
    ``return``, ``success``, ``turns``, ``credit_mean``, ``credit_std``, ``failed``, ``turns_left_out``), another with
    what the step took (``speed.jsonl``, see :meth:`credit_gym.agents.learning.throughput.Stopwatch.lap`), sealed
    checkpoints, and at the end the model with its tokenizer in ``model/``.

    Args:
        folder: where; it must not hold a training yet.
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
    get(training.scorer)
    if (folder / SETTINGS).exists():
        raise StoreError(f"{folder} holds a training already: resume it, or give another folder.")
    run = _Run(folder, training, on_step)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record = {**asdict(training), "prompting": prompting_record(training.prompting)}
        (folder / SETTINGS).write_text(json.dumps(record, indent=1), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error}): give another folder.") from error
    return run.go(None)


def resume(folder: str | Path, on_step: Callable[[Mapping[str, float]], None] = lambda row: None) -> Path:
    """Go on with a training from its newest complete checkpoint, or from the start if it has none.

    Args:
        folder: of the training.
        on_step: told each new line of the curve.

    Returns:
        The folder of the model.

    Raises:
        StoreError: there is no training, or its settings or its newest checkpoint are damaged.
    """
    folder = Path(folder)
    training = load_training(folder)
    checkpoint = newest(folder)
    return _Run(folder, training, on_step).go(checkpoint)


def load_training(folder: str | Path) -> Training:
    """Return the settings of a training.

    Raises:
        StoreError: they are missing or damaged.
    """
    path = Path(folder) / SETTINGS
    known = [entry.name for entry in fields(Training)]
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        for key in record:
            if key not in known:
                raise unknown("setting of a training", str(key), known)
        return Training(**{**record, "prompting": prompting_from(record["prompting"])})
    except FileNotFoundError:
        raise StoreError(f"{folder} holds no training: there is no {SETTINGS} in it.") from None
    except (OSError, ValueError, TypeError, KeyError, LookupError) as error:
        raise StoreError(f"{path} is damaged ({error}): restore it, or start a new training.") from None


class _Run:
    """A training in this process."""

    def __init__(self, folder: Path, training: Training, on_step: Callable[[Mapping[str, float]], None]) -> None:
        from credit_gym.agents.learning.synced import PLAYERS, SyncedHuggingFace

        for kind, name, known in (("player", training.rollouts, list(PLAYERS)), ("dtype", training.dtype, DTYPES)):
            if name not in known:
                raise unknown(kind, name, known)
        dtype = _dtype(training.dtype)
        self._folder, self._training, self._on_step = folder, training, on_step
        model = SyncedHuggingFace(training.model, dtype=dtype if training.lora_rank else "float32")
        player = PLAYERS[training.rollouts](model, dtype, training.engine)
        self._rollout = Rollout(
            self._environment, player, training.prompting, training.scorer, training.options, seed=training.seed
        )
        self._trainer = _trainer(
            folder, training, model, self._rollout, self._noted, bf16=dtype == "bfloat16", corrected=player.corrected
        )

    def go(self, checkpoint: Path | None) -> Path:
        done = 0 if checkpoint is None else step_of(checkpoint)
        for name in (CURVE, SPEED):
            path = self._folder / name
            path.write_text("".join(_lines_up_to(path, done)), encoding="utf-8")
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
        return RecordVerifier(gym.make(self._training.env, **self._training.env_args))

    def _noted(self, step: int, loss: float) -> None:
        row = {"step": step, "loss": loss, **self._rollout.summary}
        speed = {"step": step, **self._stopwatch.lap(self._rollout.effort)}
        for name, line in ((SPEED, speed), (CURVE, row)):
            with (self._folder / name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self._on_step(row)


def _trainer(
    folder: Path,
    training: Training,
    backend: Any,
    rollout: Rollout,
    noted: Callable[[int, float], None],
    *,
    bf16: bool,
    corrected: bool,
) -> Any:
    from credit_gym.agents.learning.trl_trainer import LOSSES, CreditGRPOTrainer, episode_return

    if training.loss not in LOSSES:
        raise unknown("loss", training.loss, LOSSES)
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl.trainer.grpo_config import GRPOConfig

    class Notes(TrainerCallback):
        """Writes the curve, and seals each checkpoint once all of it is on the disk."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                noted(state.global_step, float(logs["loss"]))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            seal(folder / f"checkpoint-{state.global_step}")

    config = GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=training.groups * training.group_size // training.accumulate,
        gradient_accumulation_steps=training.accumulate,
        steps_per_generation=training.accumulate,
        num_generations=training.group_size,
        max_steps=training.steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type="constant",
        loss_type=training.loss,
        temperature=training.prompting.temperature,
        beta=0.0,
        gradient_checkpointing=False,
        bf16=bf16,
        vllm_importance_sampling_mode="token_truncate",  # of a long episode the whole ratio is seldom near 1
        use_cpu=backend.model.device.type == "cpu",
        shuffle_dataset=False,
        logging_steps=1,
        save_steps=training.save_every,
        save_total_limit=training.keep,
        disable_tqdm=True,
        report_to=[],
        seed=training.seed,
        **_OF_LOSS.get(training.loss, {}),
    )
    groups = [str(number) for number in range(training.steps * training.groups)]
    trainer = CreditGRPOTrainer(
        backend.model.requires_grad_(True),
        [episode_return],
        config,
        Dataset.from_dict({"prompt": groups}),
        processing_class=backend.tokenizer,
        callbacks=[Notes()],
        corrected=corrected,
        peft_config=_lora(training.lora_rank) if training.lora_rank else None,
        rollout_func=rollout,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _dtype(name: str) -> str:
    import torch

    return name if name != "auto" else "bfloat16" if torch.cuda.is_available() else "float32"


def _lora(rank: int) -> Any:
    try:
        from peft import LoraConfig
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "peft", "hf") from None
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def _lines_up_to(path: Path, step: int) -> list[str]:
    """The lines of a curve up to a step; one that was cut off while it was written is dropped."""
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row["step"] <= step:
            kept.append(line)
    return kept
