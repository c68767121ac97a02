"""What fixes a training of a language model, and its record in the folder of the training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from credit_gym.agents.llm.fields import check_fields
from credit_gym.agents.llm.prompting import Prompting, prompting_from, prompting_record
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.errors import CreditGymError, StoreError
from credit_gym.scorers import DEFAULT

SETTINGS = "training.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What fixes a training.

    Attributes:
        env: Gymnasium id of the environment, which must have ``num_tasks``.
        model: folder of the model to start from.
        scorer: a registered scorer; its credits are the advantages as they are, so choose one that centres them.
        env_args: arguments of the environment.
        options: keyword options of the scorer, and ``key``, the name of what states are pooled by.
        belief: whose belief in the truth is recorded, as ``agents/likelihood/belief_spec.py`` reads it; empty for
            nobody's.
        prompting: how the model is asked and read; its chat may only grow.
        steps: optimizer steps.
        groups: tasks of a step.
        group_size: episodes of a task, at least 2.
        accumulate: parts in which the episodes of a step are put through the model; it must divide their number.
        learning_rate: of AdamW, constant.
        loss: one of TRL's, see :data:`credit_gym.agents.learning.trl_trainer.LOSSES`.
        lora_rank: rank of LoRA adapters on all linear layers; 0 trains every weight.
        rollouts: who plays: ``hf``, the trained model itself, or ``vllm``, which runs in this process and
            gets its weights before every step.
        vllm_options: arguments of ``vllm.LLM``, such as ``gpu_memory_utilization`` or ``max_model_len``.
        dtype: what the forward passes compute in; ``auto`` is bfloat16 on a GPU and float32 elsewhere. Weights that are
            trained stay in float32, where small steps are not lost.
        save_every: most steps between checkpoints; after every tenth of the steps there is one anyway.
        keep: most checkpoints kept.
        eval_episodes: episodes of an evaluation, before the first step and after the last; 0 for none.
        eval_every: steps between further evaluations; 0 for none.
        eval_env_args: arguments of the environment in which they differ there, such as ``split``; without any, an
            evaluation plays the tasks of the training with other draws.
        seed: fixes everything.
        trust_remote_code: run code that comes with the model.
    """

    env: str
    model: str
    scorer: str = DEFAULT
    env_args: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    belief: str = ""
    prompting: Prompting = field(default_factory=Prompting)
    steps: int = 100
    groups: int = 4
    group_size: int = 8
    accumulate: int = 1
    learning_rate: float = 1e-5
    loss: str = "dapo"
    lora_rank: int = 0
    rollouts: str = "hf"
    vllm_options: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "auto"
    save_every: int = 20
    keep: int = 2
    eval_episodes: int = 64
    eval_every: int = 0
    eval_env_args: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        problems = {
            "steps, groups, accumulate, save_every and keep must be at least 1": (
                min(self.steps, self.groups, self.accumulate, self.save_every, self.keep) < 1
            ),
            "group_size must be at least 2": self.group_size < 2,
            "lora_rank must be at least 0": self.lora_rank < 0,
            "eval_episodes and eval_every must be at least 0": min(self.eval_episodes, self.eval_every) < 0,
            "eval_every needs eval_episodes": bool(self.eval_every) and not self.eval_episodes,
            "learning_rate must be above 0": not self.learning_rate > 0,
            "seed must be at least 0": self.seed < 0,
            "vllm_options are for rollouts='vllm'": bool(self.vllm_options) and self.rollouts != "vllm",
            "trust_remote_code is a setting of its own": "trust_remote_code" in self.vllm_options,
            "its key must be a name, since it goes on from its folder alone": callable(self.options.get("key")),
            "accumulate must divide groups * group_size": self.groups * self.group_size % max(self.accumulate, 1) != 0,
        }
        for problem, applies in problems.items():
            if applies:
                raise CreditGymError(f"This training makes no sense: {problem}.")


def save_training(folder: Path, training: Training) -> None:
    """Write the settings of a training into its folder."""
    record = {**asdict(training), "prompting": prompting_record(training.prompting)}
    (folder / SETTINGS).write_text(json.dumps(record, indent=1), encoding="utf-8")


def load_training(folder: str | Path) -> Training:
    """Return the settings of a training.

    Raises:
        StoreError: they are missing or damaged.
    """
    path = Path(folder) / SETTINGS
    try:
        record = read_json(file_text(path))
        check_fields("setting of a training", record, Training)
        return Training(**{**record, "prompting": prompting_from(record["prompting"])})
    except FileNotFoundError:
        raise StoreError(f"{folder} holds no training: there is no {SETTINGS} in it.") from None
    except (OSError, ValueError, TypeError, KeyError, LookupError) as error:
        raise StoreError(f"{path} is damaged ({error}): restore it, or start a new training.") from None
