"""ALFWorld's own batch environment beside the two engines of this package, on the same games in one run.

    python -m credit_gym.baselines.alfworld_speed [--games N] [--steps N]

Rates are of one process and one environment. ALFWorld's is given a fraction of the steps of the others, or this would
take an hour.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer

from credit_gym.envs.alfworld.engine import require
from credit_gym.envs.alfworld.env import ALFWorldEnv
from credit_gym.envs.alfworld.generate import write_games
from credit_gym.report import Table, show


def stock_environment(root: Path, batch_size: int = 1, max_steps: int = 50) -> Any:
    """Return ALFWorld's own batch environment over games in the published layout.

    Args:
        root: where :func:`~credit_gym.envs.alfworld.generate.write_games` wrote them.
        batch_size: how many games it plays at a time.
        max_steps: its step limit.

    Raises:
        MissingExtraError: alfworld is not installed.
    """
    os.environ.setdefault("ALFWORLD_DATA", str(root))  # importing alfworld creates the folder that this names
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


def own_rates(root: Path, engine: str, resets: int, steps: int) -> tuple[float, float]:
    """Return the same of ``credit/ALFWorld-v0``, text, commands, verifier and all; games are compiled before."""
    env = ALFWorldEnv(data=root, engine=engine, expert=False, max_steps=steps + 1)
    for task in range(env.num_tasks):
        env.reset(options={"task": task})
    spent = {"reset": 0.0, "step": 0.0}
    taken = 0
    for episode in range(resets):
        began = time.perf_counter()
        _, info = env.reset(options={"task": episode % env.num_tasks})
        spent["reset"] += time.perf_counter() - began
        for _ in range(steps):
            listed = info["admissible_actions"]
            began = time.perf_counter()
            _, _, terminated, _, info = env.step(listed[(7 * taken) % len(listed)])
            spent["step"] += time.perf_counter() - began
            taken += 1
            if terminated:
                break
    env.close()
    return resets / spent["reset"], taken / spent["step"]


def main(
    games: Annotated[int, typer.Option(help="How many games.")] = 12,
    steps: Annotated[int, typer.Option(help="Steps of an episode.")] = 30,
) -> None:
    """Measure all three and print them side by side."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_games(root, "train", games)
        stock = stock_rates(root, resets=games, steps=5)
        rates = {"ALFWorld's own": stock}
        for engine, episodes in (("textworld", 4 * games), ("native", 100 * games)):
            rates[f'engine="{engine}"'] = own_rates(root, engine, episodes, steps)
    show(Table("ALFWorld, one process", ("engine", "resets/s", "times", "steps/s", "times"), _rows(rates, stock)))


def _rows(rates: dict[str, tuple[float, float]], stock: Sequence[float]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, f"{resets:,.1f}", f"{resets / stock[0]:,.0f}", f"{steps:,.1f}", f"{steps / stock[1]:,.0f}")
        for name, (resets, steps) in rates.items()
    )


if __name__ == "__main__":
    typer.run(main)
