"""TRL's configuration and trainer as the settings of a training ask for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from credit_gym.agents.learning.checkpoints import seal
from credit_gym.agents.learning.trainer_rollouts import Rollout
from credit_gym.agents.learning.training import Training
from credit_gym.errors import missing_extra, unknown

_OF_LOSS: dict[str, dict[str, Any]] = {"cispo": {"epsilon_high": 5.0}}  # its cap on the ratio; TRL's 0.2 is PPO's


def grpo_trainer(
    folder: Path,
    training: Training,
    backend: Any,
    rollout: Rollout,
    noted: Callable[[int, float], None],
    *,
    begun: Callable[[], None],
    saved: Callable[[], None],
    stop: Event,
    bf16: bool,
    corrected: bool,
) -> Any:
    """Return TRL's trainer for a training.

    Args:
        folder: of the training, for its checkpoints.
        training: its settings.
        backend: the model that is trained.
        rollout: plays the episodes of a step, and scores them.
        noted: told each step and its loss.
        begun: called when the model is ready for the first step.
        saved: called after each checkpoint.
        stop: once it is set, the step under way is the last one, and is saved.
        bf16: whether the forward passes compute in bfloat16.
        corrected: see :class:`credit_gym.agents.learning.trl_trainer.CreditGRPOTrainer`.

    Raises:
        MissingExtraError: trl (or peft, for LoRA) is not installed, or its version does not fit.
        UnknownNameError: there is no such loss.
    """
    from credit_gym.agents.learning.trl_trainer import LOSSES, episode_return
    from credit_gym.agents.learning.unpadded import UnpaddedTrainer

    if training.loss not in LOSSES:
        raise unknown("loss", training.loss, LOSSES)
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl.trainer.grpo_config import GRPOConfig

    class Notes(TrainerCallback):
        """Writes the curve, and seals each checkpoint once all of it is on the disk."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            begun()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if stop.is_set():
                control.should_save = control.should_training_stop = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                noted(state.global_step, float(logs["loss"]))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            checkpoint = folder / f"checkpoint-{state.global_step}"
            rollout.scorer.save(checkpoint)
            seal(checkpoint)
            saved()

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
        save_steps=min(training.save_every, max(training.steps // 10, 1)),
        save_total_limit=training.keep,
        disable_tqdm=True,
        report_to=[],
        seed=training.seed,
        **_OF_LOSS.get(training.loss, {}),
    )
    groups = [str(number) for number in range(training.steps * training.groups)]
    trainer = UnpaddedTrainer(
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


def _lora(rank: int) -> Any:
    try:
        from peft import LoraConfig
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "peft", "hf") from None
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
