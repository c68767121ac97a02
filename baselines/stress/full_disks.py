"""A disk that fills up in the middle: what was recorded is there, the sentence says it, and with space it goes on."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

from credit_gym.baselines.stress.jobs import RUNS, Job, check_kept, check_resumed, recorded, undisturbed
from credit_gym.baselines.stress.launching import COMMAND, Ended, Launched, check_said, launch
from credit_gym.baselines.stress.private_mounts import mount_private_disk, resize
from credit_gym.baselines.stress.trial import Outcome, Skipped, expect

_AMPLE = 200_000  # kB
_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
os.execv(sys.argv[2], sys.argv[2:])
"""


def fill_disk(make_job: Callable[[random.Random], Job], rng: random.Random, folder: Path) -> Outcome:
    """Do a job on a disk that is too small; then make it larger and take the job up again."""
    job = make_job(rng)
    expected = undisturbed(job, folder)
    disk, needed = folder / "disk", _kilobytes(expected.folder)
    try:
        mount_private_disk(disk, int(rng.uniform(0.05, 1.0) * needed))
    except Skipped:
        return _limit_files(job, rng, folder)
    ended = launch(folder, *job.begin(folder, f"disk/{RUNS}")).ended()
    check_said(ended, (0, 1, 2))
    resize(disk, _AMPLE)
    return _go_on(job, folder, f"disk/{RUNS}", ended)


def _limit_files(job: Job, rng: random.Random, folder: Path) -> Outcome:
    """The same where nothing can be mounted: no file may grow beyond a drawn size."""
    expected = undisturbed(job, folder)
    largest = int(rng.uniform(0.1, 1.0) * (expected.folder / "store.sqlite").stat().st_size)
    limited = (sys.executable, "-c", _LIMITED, str(largest))
    ended = Launched(folder, *limited, *COMMAND, *job.begin(folder)).ended()
    check_said(ended, (0, 1, 2))
    return _go_on(job, folder, RUNS, ended)


def _go_on(job: Job, folder: Path, runs: str, stopped: Ended) -> Outcome:
    """Check what a job kept that ran out of space, and do the rest of it."""
    expected = undisturbed(job, folder)
    name = (stopped.out.split() or [""])[0]
    after = recorded(folder / runs / name) if name else {}
    check_kept({}, after, expected.records)
    if job.whole:
        expect(len(after) in (0, len(expected.records)), "partial", f"{len(after)} of {len(expected.records)}")
    if not name and job.resumed:
        ended = launch(folder, *job.begin(folder, runs)).ended()
        check_said(ended, (0,))
        return Outcome("no space to begin")
    if not after or not job.whole:
        check_resumed(job, folder, name, after, expected, runs)
    return Outcome(f"code {stopped.code} with {len(after)} of {len(expected.records)}")


def _kilobytes(folder: Path) -> int:
    """What a store needs, twice its files: a log is written beside it."""
    return 64 + 2 * sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 1024
