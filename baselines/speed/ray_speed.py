"""What worker processes cost and save: the same work here and by Ray, and what its results cost on their way.

    python -m credit_gym.baselines.speed.ray_speed [--workers 2] [--markdown FILE]

Times are wall seconds, for Ray once it runs and its workers have imported what they need, and CPU milliseconds of one
process. Wall seconds mean something where nothing else runs; CPU time nearly everywhere.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn

import gymnasium as gym
import numpy as np
import typer

from credit_gym.agents.replay.allocation import PerDecision
from credit_gym.agents.replay.ray_replay import tree_job
from credit_gym.agents.replay.tree import ReplayTree
from credit_gym.agents.rollout.ray_runner import episode_job
from credit_gym.agents.rollout.ray_tasks import Job, Workers, cluster, map_chunks
from credit_gym.agents.scripted import NoisyExpert
from credit_gym.report import Table, show
from credit_gym.report.command import run as run_command
from credit_gym.report.table import to_markdown

EPISODES = {"credit/Stochastic-v0": 4000, "credit/ALFWorld-v0": 1000, "credit/WebShop-v0": 1000}
TREES, SEQUENCES, LENGTH = 40, 128, 400


class Case(NamedTuple):
    """One kind of work.

    Attributes:
        name: of the work.
        job: what a worker does.
        chunks: for this process and for workers: all items, as the command that does such work cuts them.
        items: how many there are, as the table counts them.
    """

    name: str
    job: Job[Any, Any]
    chunks: tuple[Sequence[Sequence[Any]], Sequence[Sequence[Any]]]
    items: int


def cases(folder: Path, workers: Workers) -> Iterator[Case]:
    """Yield episodes, replay trees and tokens of a random language model, which is made in the folder."""
    for env_id, count in EPISODES.items():
        chunks = [range(start, min(start + 16, count)) for start in range(0, count, 16)]
        job: Job[Any, Any] = partial(episode_job, partial(gym.make, env_id), partial(NoisyExpert, 0.3), 0, 1, False)
        yield Case(f"episodes of {env_id}", job, (chunks, chunks), count)
    make = partial(gym.make, "credit/ALFWorld-v0")
    branching = PerDecision(4, 4)
    job = partial(tree_job, make, partial(NoisyExpert, 0.3), partial(ReplayTree, allocation=branching))
    chunks = [range(start, start + 4) for start in range(0, TREES, 4)]
    yield Case("trees of credit/ALFWorld-v0, 4 draws x 4 replays", job, (chunks, chunks), TREES)
    yield _scoring(folder, workers)


def measured(case: Case, ray: Any, workers: Workers) -> tuple[str, ...]:
    """Return the table's row of a kind of work."""
    here, there = case.chunks
    with case.job() as work:
        work(here[0])
        began, wall = time.process_time(), time.perf_counter()
        made = [work(chunk) for chunk in here]
        took, wall = time.process_time() - began, time.perf_counter() - wall
        began = time.process_time()
        for results in made:
            pickle.loads(pickle.dumps(results, protocol=5))
        travel = time.process_time() - began
    del made
    spread = []
    for chunks in (there[: workers.count], there):  # the first time workers import what they need
        began = time.perf_counter()
        deque(map_chunks(ray, case.job, deque(chunks), workers, lost=_lost), maxlen=0)
        spread.append(time.perf_counter() - began)
    each = (f"{1000 * seconds / case.items:.3g}" for seconds in (took, travel))
    return case.name, f"{case.items:,}", *each, f"{wall:.1f}", f"{spread[1]:.1f}"


def _scoring(folder: Path, workers: Workers) -> Case:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from credit_gym.agents.likelihood.forest import TokenSequence
    from credit_gym.agents.likelihood.language_model import LanguageModel
    from credit_gym.agents.likelihood.passes import WHOLE, Limits
    from credit_gym.agents.likelihood.ray_scoring import columns_of, scoring_job, shares

    torch.set_num_threads(workers.cpus)
    config = Qwen2Config(
        vocab_size=512,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    draw, lm = np.random.default_rng(0), LanguageModel(folder)
    given = [TokenSequence(draw.integers(0, 512, LENGTH), ((LENGTH // 2, LENGTH),)) for _ in range(SEQUENCES)]
    job = partial(scoring_job, [lm], [lm.identity], columns_of, given, Limits(), workers.cpus)
    return Case(
        f"tokens through {config.num_hidden_layers} layers of width {config.hidden_size}",
        job,
        ([[WHOLE]], shares(workers)),
        SEQUENCES * LENGTH,
    )


def _lost(item: Any, error: Exception) -> NoReturn:
    raise error


def main(
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    markdown: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
) -> None:
    """Compare one process with several."""
    crew = Workers(count=workers)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, cluster(crew) as ray:
        started = time.perf_counter() - began
        rows = tuple(measured(case, ray, crew) for case in cases(Path(folder), crew))
    header = ("work", "items", "CPU ms an item", "CPU ms its way", "s here", f"s on {workers} workers")
    table = Table(f"One process and {workers} workers; Ray itself starts in {started:.1f} s", header, rows)
    show(table)
    if markdown is not None:
        markdown.write_text(to_markdown(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
