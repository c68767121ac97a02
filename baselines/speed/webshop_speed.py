"""WebShop's lines of the speed table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym

from credit_gym.baselines.speed.measurement import Measurement, forks, resets
from credit_gym.envs.webshop.env import open_shop
from credit_gym.envs.webshop.goals import make_goals
from credit_gym.envs.webshop.search import load_or_build


def webshop() -> Iterator[Measurement]:
    """WebShop, every signal included: random walks over all goals, resets, forks, and searches nobody asked before."""
    raw: Any = gym.make("credit/WebShop-v0", max_steps=25).unwrapped
    index = open_shop(None, 10_000).index
    goals = make_goals(open_shop(None, 10_000).catalogue, "human")
    queries, walks = iter(goals), count()

    def steps() -> float:
        seed = next(walks)
        chance = Random(seed)
        _, info = raw.reset(seed=seed)
        for _ in range(20_000):
            _, _, terminated, truncated, info = raw.step(chance.choice(info["admissible_actions"]))
            if terminated or truncated:
                _, info = raw.reset()
        return 20_000

    def searches() -> float:
        for goal in islice(queries, 500):
            index.search(goal.instruction)
        return 500

    yield Measurement("WebShop, random walks", "steps/s", 2e4, steps)
    yield Measurement("WebShop, resets with a seed each", "resets/s", 5e4, resets(raw, 20_000))
    yield Measurement("WebShop, clone_state + restore_state", "forks/s", 5e4, forks(raw, 50_000))
    yield Measurement("WebShop, new searches among 10,000 products", "searches/s", 1e3, searches)


def webshop_index() -> Iterator[Measurement]:
    """An index of 100,000 products in new processes, one that builds it and one that maps it; taken once, on Linux."""

    @cache
    def figures() -> tuple[float, float, float]:
        context = get_context("spawn")
        with TemporaryDirectory() as folder, ProcessPoolExecutor(1, context, max_tasks_per_child=1) as process:
            process.submit(_write_documents, Path(folder)).result()
            seconds, peak, _ = process.submit(_open_index, Path(folder)).result()
            _, _, added = process.submit(_open_index, Path(folder)).result()
        return seconds, peak, added

    lines = ("built", "s", 30.0), ("peak memory of the process", "MB", 600.0), ("added by a second process", "MB", 50.0)
    for place, (name, unit, target) in enumerate(lines if _MEMORY.exists() else ()):
        run = partial(lambda place: figures()[place], place)
        yield Measurement(
            f"WebShop, index of 100,000 products, {name}", unit, target, run, "value", lower_is_better=True
        )


_MEMORY = Path("/proc/self/smaps_rollup")


def _write_documents(folder: Path) -> None:
    (folder / "documents").write_text("\0".join(open_shop(None, 100_000).catalogue.documents), encoding="utf-8")


def _open_index(folder: Path) -> tuple[float, float, float]:
    """Seconds, peak memory and added private memory (MB) of building or mapping an index and asking it 200 queries."""
    documents = (folder / "documents").read_text(encoding="utf-8").split("\0")
    before, began = _memory("Private_"), time.perf_counter()
    index = load_or_build(documents, folder)
    seconds = time.perf_counter() - began
    for document in documents[:200]:
        index.search(document[:80])
    return seconds, _memory("VmHWM", Path("/proc/self/status")), _memory("Private_") - before


def _memory(kind: str, report: Path = _MEMORY) -> float:
    """Sum of the entries of a kind that the kernel reports of this process, MB."""
    lines = (line.split() for line in report.read_text().splitlines() if line.startswith(kind))
    return sum(int(line[1]) for line in lines) / 1024
