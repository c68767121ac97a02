"""The kinds of faults: one function each, in one table."""

from __future__ import annotations

import signal
from functools import partial

from credit_gym.baselines.stress.broken_servers import break_server
from credit_gym.baselines.stress.clock_jumps import jump_clock
from credit_gym.baselines.stress.closed_folders import held_by_another, held_database, read_only
from credit_gym.baselines.stress.damaged_stores import damage, damage_cell, flip, truncate
from credit_gym.baselines.stress.dead_workers import kill_ray_workers, kill_sandboxes
from credit_gym.baselines.stress.full_disks import fill_disk
from credit_gym.baselines.stress.growth import EPISODES, grow
from credit_gym.baselines.stress.hostile_actions import send_hostile_actions
from credit_gym.baselines.stress.jobs import JOBS, run_job
from credit_gym.baselines.stress.killed_models import kill_merge, kill_training
from credit_gym.baselines.stress.kills import kill_job, kill_parallel_runs, kill_parallel_writers
from credit_gym.baselines.stress.left_behind import leave_nothing
from credit_gym.baselines.stress.served_sessions import SERVED
from credit_gym.baselines.stress.stopping_signals import stop_job
from credit_gym.baselines.stress.trial import Trial
from credit_gym.registration import ENVIRONMENTS

_SHARE = 0.1  # of the minutes, which memory may take in one trial
_PER_EPISODE = 0.05  # seconds; more than that no environment needs to play all of them


def kinds(minutes: float) -> dict[str, Trial]:
    """Return name -> trial.

    Args:
        minutes: how long the trials go on; memory is watched over more episodes where there are many.
    """
    each = min(60.0 * minutes * _SHARE / len(ENVIRONMENTS), EPISODES * _PER_EPISODE)
    return {
        **{f"kill -9: {name}": partial(kill_job, job) for name, job in JOBS.items()},
        "kill -9: runs at once": kill_parallel_runs,
        "kill -9: writers of one store": kill_parallel_writers,
        "kill -9: train": kill_training,
        "kill -9: merge": kill_merge,
        **{f"SIGTERM: {name}": partial(stop_job, job, signal.SIGTERM) for name, job in JOBS.items()},
        "Ctrl-C: run": partial(stop_job, run_job, signal.SIGINT),
        **{f"disk full: {name}": partial(fill_disk, job) for name, job in JOBS.items()},
        "read-only folder": read_only,
        "run held by another": held_by_another,
        "database held by another": held_database,
        "store cut short": partial(damage, truncate),
        "store with flipped bytes": partial(damage, flip),
        "store with a damaged cell": partial(damage, damage_cell),
        **{f"clock jumps: {name}": partial(jump_clock, job) for name, job in JOBS.items() if name != "import"},
        "model servers": break_server,
        **{f"served sessions {name}": trial for name, trial in SERVED.items()},
        "dead workers: Ray": kill_ray_workers,
        "dead workers: sandbox": kill_sandboxes,
        "hostile actions": send_hostile_actions,
        "memory": partial(grow, each),
        "left behind": leave_nothing,
    }
