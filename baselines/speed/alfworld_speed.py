"""ALFWorld's own batch environment beside the two engines of this package, on the same games in one run.

    python -m credit_gym.baselines.speed.alfworld_speed [--games N] [--steps N]

Rates are of one process and one environment. ALFWorld's is given a fraction of the steps of the others, or this would
take an hour.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache, partial
from io import StringIO
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import gymnasium as gym
import numpy as np
import typer

from credit_gym import rng
from credit_gym.baselines.speed.measurement import Measurement, forks
from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.alfworld.generate import write_games
from credit_gym.envs.alfworld.textworld_engine import require
from credit_gym.report import Table, show
from credit_gym.report.command import run as run_command


def stock_environment(root: Path, batch_size: int = 1, max_steps: int = 50) -> Any:
    """Return ALFWorld's own batch environment over games in the published layout.

    Args:
        root: where :func:`~credit_gym.envs.alfworld.generate.write_games` wrote them.
        batch_size: how many games it plays at a time.
        max_steps: its step limit.

    Raises:
        MissingExtraError: alfworld is not installed.
    """
    with patch.dict(os.environ, {"ALFWORLD_DATA": str(root)}):  # importing alfworld creates the folder that this names
        library = require("alfworld.agents.environment.alfred_tw_env")
    config = {
        "dataset": {"data_path": str(root), "num_train_games": -1},
        "env": {
            "task_types": [1, 2, 3, 4, 5, 6],
            "goal_desc_human_anns_prob": 0,
            "domain_randomization": False,
            "expert_type": "handcoded",
        },
        "general": {"training_method": "dqn"},
        "rl": {"training": {"max_nb_steps_per_episode": max_steps}},
    }
    with redirect_stdout(StringIO()):
        return library.AlfredTWEnv(config, train_eval="train").init_env(batch_size)


def stock_rates(root: Path, resets: int, steps: int) -> tuple[float, float]:
    """Return resets and steps per second of ALFWorld's own environment, always typing the middle command."""
    env = stock_environment(root)
    spent = {"reset": 0.0, "step": 0.0}
    for _ in range(resets):
        began = time.perf_counter()
        _, infos = env.reset()
        spent["reset"] += time.perf_counter() - began
        for _ in range(steps):
            listed = infos["admissible_commands"][0]
            began = time.perf_counter()
            _, _, _, infos = env.step([listed[len(listed) // 2]])
            spent["step"] += time.perf_counter() - began
    env.close()
    return resets / spent["reset"], resets * steps / spent["step"]


def own_rates(root: Path, engine: str, episodes: int, steps: int) -> tuple[float, float]:
    """Return the same of ``credit/ALFWorld-v0``, text, commands, verifier and all, on fresh random play.

    Games are compiled before, as they are once per process; no episode is played twice.
    """
    env = ALFWorldEnv(data=root, engine=engine, expert="none", max_steps=steps + 1)
    for task in range(env.num_tasks):
        env.reset(options={"task": task})
    spent = {"reset": 0.0, "step": 0.0}
    taken = 0
    for episode in range(episodes):
        began = time.perf_counter()
        _, info = env.reset(options={"task": episode % env.num_tasks})
        spent["reset"] += time.perf_counter() - began
        for step in range(steps):
            listed = info["admissible_actions"]
            command = listed[rng.derive(episode, step) % len(listed)]
            began = time.perf_counter()
            _, _, terminated, _, info = env.step(command)
            spent["step"] += time.perf_counter() - began
            taken += 1
            if terminated:
                break
    env.close()
    return episodes / spent["reset"], taken / spent["step"]


def side_by_side(games: int, steps: int) -> dict[str, tuple[float, float]]:
    """Return resets and steps per second of ALFWorld's own environment and of both engines, on the same new games."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_games(root, "train", games)
        rates = {"stock": stock_rates(root, resets=games, steps=5)}
        for engine, episodes in (("textworld", 4 * games), ("native", 40 * games)):
            rates[engine] = own_rates(root, engine, episodes, steps)
    return rates


def alfworld() -> Iterator[Measurement]:
    """ALFWorld's lines of the speed table, those beside its own environment where that is installed."""
    if importlib.util.find_spec("alfworld") is not None:
        yield from _beside_stock()
    env: Any = gym.make("credit/ALFWorld-v0", expert="none").unwrapped

    yield Measurement("ALFWorld native, clone_state + restore_state, expert off", "forks/s", 3e5, forks(env, 20_000))
    copies, turns = 64, 200
    bare: Any = {"admissible": False, "verifier": False, "expert": "none"}
    vector: Any = gym.make_vec("credit/ALFWorld-v0", num_envs=copies, num_tasks=8, **bare)

    def steps() -> float:
        vector.reset(seed=0)
        positions = np.random.default_rng(0).integers(0, 4, size=(turns, copies))
        for row in positions:
            vector.step(row)
        return copies * turns

    yield Measurement("ALFWorld native, vector of 64 on 8 games, bare", "transitions/s", 2.5e5, steps)


def _beside_stock() -> Iterator[Measurement]:
    """Rates, and multiples of the stock environment's in the same run."""

    @cache
    def rates() -> dict[str, tuple[float, float]]:
        return side_by_side(games=6, steps=30)

    def value(engine: str, place: int) -> float:
        return rates()[engine][place]

    def multiple(engine: str, place: int) -> float:
        return rates()[engine][place] / rates()["stock"][place]

    for place, unit in enumerate(("resets/s", "steps/s")):
        yield Measurement(f"ALFWorld's own environment, {unit}", unit, None, partial(value, "stock", place), "value")
        for engine, target in (("textworld", 50.0), ("native", (10_000.0, 3_000.0)[place])):
            yield Measurement(f"ALFWorld {engine}, {unit}", unit, None, partial(value, engine, place), "value")
            name = f"ALFWorld {engine}, multiple of the stock {unit}"
            yield Measurement(name, "times", target, partial(multiple, engine, place), "value")


def main(
    games: Annotated[int, typer.Option(help="How many games.")] = 12,
    steps: Annotated[int, typer.Option(help="Steps of an episode.")] = 30,
) -> None:
    """Measure all three and print them side by side."""
    rates = side_by_side(games, steps)
    show(Table("ALFWorld, one process", ("engine", "resets/s", "times", "steps/s", "times"), _rows(rates)))


def _rows(rates: dict[str, tuple[float, float]]) -> tuple[tuple[str, ...], ...]:
    stock = rates["stock"]
    return tuple(
        (name, f"{resets:,.1f}", f"{resets / stock[0]:,.0f}", f"{steps:,.1f}", f"{steps / stock[1]:,.0f}")
        for name, (resets, steps) in rates.items()
    )


if __name__ == "__main__":
    run_command(main)
