"""A tiny policy and its reference for planted logs: imitation of runs with slips, then of those that succeeded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from credit_gym import rng
from credit_gym.agents.learning.gradient_step import gradient_step
from credit_gym.agents.learning.one_thread import one_thread
from credit_gym.envs.who_and_when import planted
from credit_gym.envs.who_and_when.logs import FailureLog


def make_pair(folder: Path, *, steps: int = 600, further: int = 300, seed: int = 0) -> tuple[str, str]:
    """Make the tiny policy and its reference, unless the folder has them; about a minute or two of one core.

    Args:
        folder: where they go.
        steps: training steps of the reference, on runs in which a fifth of all turns slip.
        further: training steps that make it the policy, on such runs that succeeded.
        seed: fixes everything.

    Returns:
        The specs of policy and reference.
    """
    policy, reference = folder / f"policy-{steps}-{further}-{seed}", folder / f"reference-{steps}-{seed}"
    if not (policy / "config.json").exists():
        _train_pair(policy, reference, steps, further, seed)
    return f"hf:{policy}", f"hf:{reference}"


def _train_pair(policy: Path, reference: Path, steps: int, further: int, seed: int) -> None:
    import torch

    from credit_gym.agents.learning.tiny_lm.pretrain import small_qwen
    from credit_gym.agents.learning.tiny_lm.tokenizer import learn_tokenizer
    from credit_gym.agents.likelihood.transcript_tokens import sequences
    from credit_gym.agents.likelihood.transcripts import from_log

    runs = [_training_run(seed, index) for index in range(6000)]
    tokenizer = learn_tokenizer((f"{log.question} {m.content}" for log, _ in runs[:1000] for m in log.messages), 400)
    rows = [sequences(from_log(log), tokenizer)[0] for log, _ in runs]
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.derive(seed, 1) >> 1)
        model = small_qwen(tokenizer, hidden=64, layers=2, positions=2048)
        _fit(model, rows, steps, 3e-3)
        _save(model, tokenizer, reference)
        _fit(model, [row for row, (_, good) in zip(rows, runs, strict=True) if good], further, 1e-3)
        _save(model, tokenizer, policy)


def _training_run(seed: int, index: int) -> tuple[FailureLog, bool]:
    """A run in which every fifth turn slips, and whether it succeeded all the same; no label is read from it."""
    draw = rng.derive(seed, 2, index)
    problem = planted.make_problem(draw)
    turns = range(len(problem.turns))
    slips = {i: 1 + rng.derive(draw, 4, i) % 9 for i in turns if rng.derive(draw, 3, i) % 5 == 0}
    messages = planted.play(problem, slips)
    log = FailureLog(str(index), "train", problem.question, str(problem.answer), messages, "", 0)
    return log, planted.solved(problem, messages)


def _fit(model: Any, rows: Sequence[Any], steps: int, rate: float) -> None:
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for _ in range(steps):
        batch = [rows[index] for index in torch.randint(len(rows), (8,)).tolist()]
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row.ids) for row in batch], batch_first=True)
        taught = [(number, int(index)) for number, row in enumerate(batch) for index in row.positions]
        number, index = torch.tensor(taught).T
        states = model.model(ids[:, :-1]).last_hidden_state  # padding is on the right, where nothing looks
        loss: Any = torch.nn.functional.cross_entropy(model.lm_head(states[number, index - 1]), ids[number, index])
        gradient_step(model, optimizer, loss)
        schedule.step()
    model.eval()


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    if not folder.exists():
        part.rename(folder)
