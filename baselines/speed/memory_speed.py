"""Speed-table lines of memory: the most that a scorer takes of ten million steps, over the size of their columns."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from credit_gym.baselines.speed.measurement import Measurement
from credit_gym.data.batch import EpisodeBatch
from credit_gym.scorers import DEFAULT, score

STEPS = 10_000_000
SCORERS = ("outcome_only", "mc", "grpo", "gae", "gigpo", "hgpo", "hca", "hiper", "loo", "crbc", "adaptive_q", DEFAULT)
"""Closed forms, scorers of pooled states, scorers of the pooled graph, the default."""
MOST = 3.0


def memory(make_batch: Callable[[int], EpisodeBatch]) -> Iterator[Measurement]:
    """Columns, credits and all that lies between them in at most three times the columns' own size."""
    for name in SCORERS:
        yield Measurement(
            f"scorer {name}, peak memory of 10 million steps over their columns",
            "times",
            MOST,
            partial(_peak, make_batch, name),
            "value",
            lower_is_better=True,
        )


def _peak(make_batch: Callable[[int], EpisodeBatch], name: str) -> float:
    """Score in a process forked for it, whose peak begins at what it inherits."""
    batch = make_batch(STEPS)
    columns = (getattr(batch, field.name) for field in fields(EpisodeBatch))
    size = sum(column.nbytes for column in columns if isinstance(column, np.ndarray))
    here, there = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=_score, args=(batch, name, there))
    worker.start()
    more: int = here.recv()
    worker.join()
    return (size + more) / size


def _score(batch: EpisodeBatch, name: str, there: Connection) -> None:
    """Send how many bytes the process had at its peak beyond those at its beginning."""
    page = resource.getpagesize()
    began = int(Path("/proc/self/statm").read_text().split()[1]) * page
    score(replace(batch), name)
    there.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - began)
