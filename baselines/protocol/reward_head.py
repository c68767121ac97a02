"""Train a small outcome reward model on a stored run: a language model with WildReward's ordinal head.

    python -m credit_gym.baselines.protocol.reward_head --run RUN --model FOLDER --out FOLDER
    python -m credit_gym.baselines.tables.uncertainty --run OTHER --reward-model wild_reward:FOLDER

The run's episodes, won and lost, are shown up to their last action, as WildReward is shown them; each of the head's
four logits learns whether the episode succeeded. Measure it on a run of other tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from credit_gym import rng
from credit_gym.agents.learning.gradient_step import gradient_step
from credit_gym.agents.likelihood.transcripts import Transcript
from credit_gym.agents.likelihood.wild_reward import reward_ids
from credit_gym.baselines.protocol.recorded_episodes import stored_episodes, unfinished
from credit_gym.errors import BackendError, CreditGymError, missing_extra
from credit_gym.report.command import run as run_command

GRADES = 4
"""Logits of the head: a grade from 1 to 5."""


def train_head(
    transcripts: Sequence[Transcript],
    model: str,
    out: Path,
    *,
    epochs: int = 1,
    batch: int = 8,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> list[float]:
    """Train a reward model and save it; return the loss of every step, nats per logit.

    Args:
        transcripts: finished runs with their rewards; 1 is success.
        model: folder of the language model to start from.
        out: folder of the reward model.
        epochs: passes over the runs.
        batch: runs of a step.
        learning_rate: of AdamW, falling to 0 along a cosine.
        seed: fixes the head's first weights and the order.

    Raises:
        MissingExtraError: transformers is not installed.
        CreditGymError: the runs do not hold both outcomes.
        BackendError: there is no such model.
    """
    try:
        import torch
        import transformers  # noqa: F401 - said here if it is missing
    except ImportError as error:
        raise missing_extra(error.name or "transformers", "hf") from error
    won = [float((each.reward or 0.0) >= 1.0) for each in transcripts]
    if len(set(won)) < 2:
        raise CreditGymError("A reward model learns from runs that succeeded and runs that failed: give both.")
    labels = torch.tensor(won)
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.derive(seed) >> 1)
        tokenizer, head = _untrained(model)
        rows = [torch.tensor(reward_ids(tokenizer, each)) for each in transcripts]
        head.train()
        steps = epochs * -(-len(rows) // batch)
        optimizer = torch.optim.AdamW(head.parameters(), lr=learning_rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(epochs):
            order = torch.randperm(len(rows))
            for start in range(0, len(rows), batch):
                index = order[start : start + batch]
                # One at a time: rows differ in length, and padding would cost more than it saves.
                shown = [head(input_ids=rows[i][None]).logits[0] for i in index.tolist()]
                loss: Any = torch.nn.functional.binary_cross_entropy_with_logits(
                    torch.stack(shown), labels[index][:, None].expand(-1, GRADES)
                )
                gradient_step(head, optimizer, loss)
                schedule.step()
                losses.append(float(loss.detach()))
    head.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return losses


def _untrained(model: str) -> tuple[Any, Any]:
    """The tokenizer of a language model, and the model with a new head."""
    from transformers import AutoModelForSequenceClassification

    from credit_gym.agents.llm.pretrained import load_model, load_tokenizer

    classes: Any = AutoModelForSequenceClassification
    try:
        tokenizer = load_tokenizer(model)
        head = load_model(classes, model, num_labels=GRADES, pad_token_id=tokenizer.pad_token_id, dtype="float32")
    except (OSError, ValueError, KeyError) as error:
        said = str(error).strip().partition("\n")[0]
        raise BackendError(f"The language model {model!r} cannot be loaded: {said}") from error
    return tokenizer, head


def main(
    run: Annotated[str, typer.Option(help="Id or folder of a stored run to learn from.")],
    model: Annotated[str, typer.Option(help="Folder of the language model to start from.")],
    out: Annotated[Path, typer.Option(help="Folder of the reward model.")],
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the run.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Fixes everything.")] = 0,
) -> None:
    """Train a reward model."""
    transcripts = [unfinished(episode) for episode in stored_episodes(run)]
    losses = train_head(transcripts, model, out, epochs=epochs, seed=seed)
    typer.echo(f"{out}: learned from {len(transcripts)} episodes, loss {losses[0]:.3f} at first, {losses[-1]:.3f} last")


if __name__ == "__main__":
    run_command(main)
