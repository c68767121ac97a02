"""SIGTERM and Ctrl-C in the middle: the work ends soon, says so in its store, and is taken up again without a loss."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

from credit_gym.baselines.stress.jobs import (
    RUNS,
    Job,
    check_kept,
    check_resumed,
    recorded,
    undisturbed,
    wait_for_records,
)
from credit_gym.baselines.stress.launching import call, launch, wait_a_moment
from credit_gym.baselines.stress.trial import Outcome, expect
from credit_gym.store import Store

_SECONDS = 30.0  # in which a command must be over once it was asked to end
_STATUS = {signal.SIGTERM: "stopped", signal.SIGINT: "interrupted"}
_CODES = {signal.SIGTERM: (143, -signal.SIGTERM), signal.SIGINT: (130, -signal.SIGINT)}


def stop_job(
    make_job: Callable[[random.Random], Job], number: signal.Signals, rng: random.Random, folder: Path
) -> Outcome:
    """Send a signal to a command at a drawn moment, perhaps twice, and take it up again."""
    job = make_job(rng)
    expected = undisturbed(job, folder)
    launched = launch(folder, *job.begin(folder))
    name = expected.name if job.whole else launched.first_line()
    if job.whole:
        wait_a_moment(rng, launched, expected.seconds)
    else:
        wait_for_records(rng, folder / RUNS / name, launched, len(expected.records))
    before = recorded(folder / RUNS / name)
    launched.send(number)
    if rng.random() < 0.3:
        wait_a_moment(rng, launched, 0.2)
        launched.send(number)
    ended = launched.ended(_SECONDS)
    expect(ended.code in (0, *_CODES[number]) and "Traceback" not in ended.err, "wrong", ended.said)
    after = recorded(folder / RUNS / name)
    check_kept(before, after, expected.records)
    if job.whole:
        expect(len(after) in (0, len(expected.records)), "partial", f"{len(after)} of {len(expected.records)}")
        if after:
            return Outcome("imported before the signal")
    else:
        done = ended.code <= 0 or len(after) == len(expected.records)
        _check_marked(folder, name, _STATUS[number], done=done, several=job.several)
    check_resumed(job, folder, name, after, expected)
    return Outcome(f"code {ended.code} after {len(after)} of {len(expected.records)}")


def _check_marked(folder: Path, name: str, status: str, *, done: bool, several: bool) -> None:
    """Refuse a store in which what was stopped does not say so, and a list in which it is still under way."""
    listed = call(folder, "runs", "--to", "markdown").out
    expect("| running |" not in listed, "wrong", f"listed as running: {listed[-300:]}")
    with Store.open(folder / RUNS / name, create=False) as store:
        statuses = {record.status for record in store.runs()}
    expect(done or statuses <= {"finished", status}, "wrong", f"{name} was stopped and is {statuses}")
    expect(done or several or status in statuses or not statuses, "wrong", f"{name} was stopped and is {statuses}")
