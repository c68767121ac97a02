"""A clock that jumps: what is recorded, its order and what is made of it are the same."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

from credit_gym.baselines.stress.jobs import RUNS, Job, check_finished, recorded, undisturbed
from credit_gym.baselines.stress.launching import Launched, check_said, launch, wait_a_moment
from credit_gym.baselines.stress.trial import Outcome, expect

_CLOCK = ("-m", "credit_gym.baselines.stress.jumping_clock")


def jump_clock(make_job: Callable[[random.Random], Job], rng: random.Random, folder: Path) -> Outcome:
    """Do a job, killed on the way and taken up, while the clock jumps."""
    job = make_job(rng)
    expected = undisturbed(job, folder)
    first = Launched(folder, sys.executable, *_CLOCK, str(rng.randrange(2**32)), *job.begin(folder))
    name = expected.name if job.whole else first.first_line()
    if job.resumed and rng.random() < 0.5:
        wait_a_moment(rng, first, expected.seconds)
        first.killed()
        first = Launched(folder, sys.executable, *_CLOCK, str(rng.randrange(2**32)), *job.again(name))
    check_said(first.ended(), (0,))
    found = recorded(folder / RUNS / name)
    check_finished({}, found, expected.records)
    expect(list(found) == list(expected.records), "wrong", "what was recorded is read in another order")
    check_said(launch(folder, "runs").ended(), (0,))
    return Outcome(f"{len(found)} records")
