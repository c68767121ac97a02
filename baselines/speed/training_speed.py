"""Speed-table lines of `credit-gym train`: a step, its parts, and both beside loops that do nothing else.

The model is the tiny one after little training, so that games are long: four tasks of Stochastic, eight games each,
credits at random, one thread. Forward and backward alone take the same rows, one by one, with the loss on every token.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym

from credit_gym.agents.learning.one_thread import one_thread
from credit_gym.baselines.speed.measurement import Measurement

_ENV = "credit/Stochastic-v0"
_STEPS = 3


def training() -> Iterator[Measurement]:
    """The parts of a training step; the update is to run at half the rate of its passes or more."""

    def value(name: str, unit: str, part: str, target: float | None = None) -> Measurement:
        return Measurement(f"training step of 4 x 8 games, {name}", unit, target, lambda: _measured()[part], "value")

    yield value("rollouts", "sampled tokens/s", "rollouts")
    yield value("update", "tokens/s", "update")
    yield value("forward and backward alone", "tokens/s", "passes")
    yield value("update against forward and backward alone", "x", "ratio", 0.5)
    yield value("games against those of the headline study's loop", "x", "lean")


@cache
def _measured() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as temporary, one_thread():
        folder = Path(temporary)
        _teach(folder / "model")
        update, rollouts, games = _trained(folder)
        passes = _passes(folder / "model")
        lean = _lean_games(folder)
    return {
        "update": update,
        "rollouts": rollouts,
        "passes": passes,
        "ratio": update / passes,
        "lean": games / lean,
    }


def _teach(folder: Path) -> None:
    from credit_gym.agents.learning.tiny_lm import train_tiny_lm

    train_tiny_lm(folder, env_ids=[_ENV], agent="noisy:0.2", episodes=400, steps=40)


def _trained(folder: Path) -> tuple[float, float, float]:
    """Tokens of an update, sampled tokens of rollouts and games of whole steps, a second each, after the first step."""
    from credit_gym.agents.learning.train import SPEED, train
    from credit_gym.agents.learning.training import Training

    asked = Training(env=_ENV, model=str(folder / "model"), scorer="random", steps=_STEPS, eval_episodes=0)
    train(folder / "trained", asked)
    rows = [json.loads(line) for line in (folder / "trained" / SPEED).read_text().splitlines()][1:]
    seconds, rollouts, tokens, sampled = (
        sum(row[name] for row in rows) for name in ("seconds", "rollout_seconds", "tokens", "sampled_tokens")
    )
    return tokens / (seconds - rollouts), sampled / rollouts, asked.groups * asked.group_size * len(rows) / seconds


def _passes(folder: Path) -> float:
    """Tokens a second of forward and backward over the rows of one step, a row at a time."""
    import torch

    from credit_gym.agents.learning.synced import SyncedHuggingFace
    from credit_gym.agents.learning.trainer_rollouts import Rollout
    from credit_gym.agents.llm.prompting import Prompting
    from credit_gym.wrappers import RecordVerifier

    backend = SyncedHuggingFace(str(folder))
    rollout = Rollout(lambda: RecordVerifier(gym.make(_ENV)), backend, Prompting(), "random")
    model: Any = backend.model
    trainer = SimpleNamespace(model=model, accelerator=SimpleNamespace(unwrap_model=lambda wrapped: wrapped))
    played = rollout([str(row // 8) for row in range(32)], trainer)
    rollout.close()
    rows = [
        torch.tensor([[*prompt, *answer]])
        for prompt, answer in zip(played["prompt_ids"], played["completion_ids"], strict=True)
    ]
    model.requires_grad_(True)
    began = time.perf_counter()
    for ids in rows:
        loss = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1], ids[0, 1:])
        torch.autograd.backward(loss)
    return sum(ids.numel() for ids in rows) / (time.perf_counter() - began)


def _lean_games(folder: Path) -> float:
    """Games a second of the loop of the headline study on its own Stochastic, where a message is one token."""
    from credit_gym.baselines.studies.headline.headline_games import GAMES
    from credit_gym.baselines.studies.headline.learner import RECIPES, Learner
    from credit_gym.baselines.studies.headline.player import taught

    game = GAMES["Stochastic"]
    learner = Learner(game, RECIPES["grpo"], taught(game.model, folder / "taught"), rate=3e-4, seed=0)
    learner.step()
    first, began = learner.episodes, time.perf_counter()
    for _ in range(_STEPS):
        learner.step()
    return (learner.episodes - first) / (time.perf_counter() - began)
