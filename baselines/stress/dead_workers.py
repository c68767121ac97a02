"""Workers that die under a run: it plays on, and records what it would have recorded."""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from credit_gym.baselines.stress.descent import descendants
from credit_gym.baselines.stress.jobs import RUNS, Job, check_finished, check_kept, recorded, undisturbed
from credit_gym.baselines.stress.launching import Launched, check_said, launch, wait_a_moment
from credit_gym.baselines.stress.trial import Outcome, Skipped, expect

_LONG = 150.0  # seconds; Ray takes its time to start


def kill_ray_workers(rng: random.Random, folder: Path) -> Outcome:
    """Kill worker processes of Ray while they play."""
    if find_spec("ray") is None:
        raise Skipped("ray is not installed: pip install 'credit-gym[ray]'")
    with TemporaryDirectory(prefix="ray", dir="/tmp") as logs:  # a short path, for there are sockets in it
        how = ("--executor", "ray", "--workers", "2")
        return _with_dead(rng, folder, how, ("ray::IDLE", "ray::_"), 400, variables={"RAY_TMPDIR": logs})


def kill_sandboxes(rng: random.Random, folder: Path) -> Outcome:
    """Kill the processes in which programs are tested."""
    return _with_dead(rng, folder, (), ("sandbox_child",), 60, env="credit/MultiAgentCode-v0", agent="expert")


def _with_dead(
    rng: random.Random,
    folder: Path,
    how: tuple[str, ...],
    workers: tuple[str, ...],
    episodes: int,
    variables: dict[str, str] | None = None,
    env: str = "credit/Stochastic-v0",
    agent: str = "random",
) -> Outcome:
    game = ("--env", env, "--agent", agent, "--episodes", str(episodes), "--seed", str(rng.randrange(2)))
    expected = undisturbed(Job(("run", *game), {}, ("run", "--resume")), folder)
    player = launch(folder, "run", *game, *how, "--out", RUNS, variables=variables)
    name = player.first_line(_LONG)
    killed = sum(_kill_one(rng, player, workers) for _ in range(rng.choice((1, 2, 3))))
    ended = player.ended(_LONG)
    check_said(ended, (0, 1))
    after = recorded(folder / RUNS / name)
    good = {key: value for key, value in after.items() if "error=None" in value[1]}
    check_kept({}, good, expected.records)
    if len(good) < len(expected.records):
        expect(ended.code != 0 or "did not complete" in ended.out, "lost", f"{len(good)} episodes and no word")
        check_said(launch(folder, "run", "--resume", name, "--out", RUNS).ended(_LONG), (0,))
    check_finished(good, recorded(folder / RUNS / name), expected.records)
    return Outcome(f"{killed} killed")


def _kill_one(rng: random.Random, player: Launched, workers: tuple[str, ...]) -> int:
    """Kill a worker at a drawn moment; return how many died of it."""
    wait_a_moment(rng, player, 1.0)
    found: list[int] = []
    while not found and not player.over:
        alive = descendants()  # all, since Ray's workers are not the player's own
        found = [pid for pid, command in alive.items() if any(worker in command for worker in workers)]
        wait_a_moment(rng, player, 0.2)
    if not found:
        return 0
    with suppress(ProcessLookupError):
        os.kill(rng.choice(found), signal.SIGKILL)
    return 1
