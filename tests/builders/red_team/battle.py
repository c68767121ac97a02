"""The hostile programs against one isolation as one user, in a process of its own: verdicts, and what is left behind.

Run as a script it reads what to do, the isolation, the user and a class of attack from its arguments.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from builders.red_team import ATTACKS
from builders.red_team.attack import MARK
from builders.sandboxed import processes_that_carry

from credit_gym.envs.team.sandbox import Limits, Program, Sandbox, SandboxError

USERS = ("root", "nobody")
_NOBODY = 65534
_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
_LISTS = ("/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg")
_SECONDS_TO_DIE = 5.0
_NEIGHBOURS = 50
_HONEST = """
import os, threading
def f(x):
    found = []
    thread = threading.Thread(target=lambda: found.append(x * x))
    thread.start()
    thread.join()
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return found[0]
"""


class Outcome(NamedTuple):
    """How a battle went.

    Attributes:
        tried: programs.
        wrong: those with a verdict that they are not owed, and the verdict.
        left: what was there afterwards: processes, files, shared memory, semaphores, queues, keys.
    """

    tried: int
    wrong: list[str]
    left: list[str]


def fight(isolation: str, user: str, kind: str) -> Outcome | str:
    """Hold a battle; return its outcome, or why it cannot be held here."""
    result = _done_apart("fight", isolation, user, kind)
    return result if isinstance(result, str) else Outcome(*result)


def honest_beside_neighbours(isolation: str, user: str) -> bool | str:
    """Whether an honest program of threads and a fork passes while others of its user run many processes."""
    result = _done_apart("neighbours", isolation, user)
    assert isinstance(result, (bool, str))
    return result


def left_by_a_dead_owner(isolation: str, user: str) -> list[str] | str:
    """Kill the owner of a sandbox in which a fork bomb goes off; return what is left, or why it cannot be tried."""
    command = _command("bomb", isolation, user)
    if isinstance(command, str):
        return command
    owner = subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True, cwd="/")
    assert owner.stdout is not None
    mark = owner.stdout.readline().strip()
    before = _left(mark)
    deadline = time.monotonic() + _SECONDS_TO_DIE
    while not processes_that_carry(mark) and owner.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if owner.poll() is not None:
        return "the isolation cannot start here"
    assert processes_that_carry(mark), "no bomb has gone off"
    folders = {name for name in _left(mark) if "credit-gym-" in name}
    owner.kill()
    owner.communicate()
    return sorted(_what_stays(mark, before - folders))


def _done_apart(*what: str) -> object:
    """What the script prints, or why it cannot run."""
    command = _command(*what)
    if isinstance(command, str):
        return command
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise AssertionError(f"the battle ended early: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _command(action: str, isolation: str, user: str, kind: str = "") -> list[str] | str:
    if os.geteuid() != 0 and user == "root":
        return "only root can be root"
    python = _readable_python()
    if python is None:
        return "no Python here can be read by user nobody"
    return [python, "-m", "builders.red_team.battle", action, isolation, user, kind]


def _environment() -> dict[str, str]:
    paths = [*map(str, Path(__file__).parents[2:4]), *(path for path in sys.path if path)]
    return {"PYTHONPATH": os.pathsep.join(paths), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}


def _fight_here(isolation: str, kind: str) -> Outcome | str:
    mark = f"red{os.getpid()}"
    attacks = [attack for attack in ATTACKS if attack.kind == kind]
    before = _left(mark)
    wrong = []
    with Sandbox(workers=1, limits=Limits(seconds=1.0, memory_mb=256), isolation=isolation) as box:  # type: ignore[arg-type]
        try:
            box.isolation  # noqa: B018 - whether it can start
        except SandboxError as error:
            return str(error)
        for attack in attacks:
            results = box.run(Program(attack.source.replace(MARK, mark), attack.tests, ("f",)))
            wrong += [
                f"{attack.name}: {test}: {result.error or 'passed'}"
                for test, result in zip(attack.tests, results, strict=True)
                if result.passed != attack.passes
            ]
            if processes_that_carry(mark):
                wrong.append(f"{attack.name}: processes outlive the test")
    return Outcome(len(attacks), wrong, sorted(_what_stays(mark, before)))


def _bomb_here(isolation: str, _: str) -> object:
    mark = f"red{os.getpid()}"
    print(mark, flush=True)
    (bomb,) = (attack for attack in ATTACKS if attack.kind == "fork bombs" and attack.name == "plain")
    with Sandbox(workers=1, limits=Limits(seconds=60.0), isolation=isolation) as box:  # type: ignore[arg-type]
        return box.run(Program(bomb.source.replace(MARK, mark), bomb.tests, ("f",)))


def _neighbours_here(isolation: str, _: str) -> bool | str:
    user = _NOBODY if os.geteuid() == 0 else None
    others = [subprocess.Popen(["sleep", "60"], user=user) for _ in range(_NEIGHBOURS)]
    try:
        with Sandbox(workers=1, isolation=isolation) as box:  # type: ignore[arg-type]
            (result,) = box.run(Program(_HONEST, ("assert f(3) == 9",), ("f",)))
            return result.passed
    except SandboxError as error:
        return str(error)
    finally:
        for other in others:
            other.kill()
            other.wait()


def _what_stays(mark: str, before: set[str]) -> set[str]:
    """What was not there before and does not go away."""
    deadline = time.monotonic() + _SECONDS_TO_DIE
    left = _left(mark) - before
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left &= _left(mark)  # what another battle has for a moment goes
    return left


def _left(mark: str) -> set[str]:
    """What could have been left: everything of the mark, and every entry of the system's lists."""
    found = {f"process {pid}" for pid in processes_that_carry(mark)}
    for folder in _FOLDERS:
        found |= {f"{folder}/{name}" for name in os.listdir(folder) if mark in name or name.startswith("credit-gym-")}
    for path in (*_LISTS, "/proc/keys"):
        lines = Path(path).read_text().splitlines() if os.path.exists(path) else []
        found |= {f"{path}: {line}" for line in lines if path != "/proc/keys" or mark in line}
    return found


@cache
def _readable_python() -> str | None:
    """A Python of this version that user nobody can run: this one, else the system's."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(f"python{version}", path=os.defpath)):
        options = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            if (
                python
                and subprocess.run([python, "-c", "import ctypes"], check=False, cwd="/", **options).returncode == 0
            ):
                return python
        except OSError:
            continue
    return None


def _main() -> None:
    action, isolation, user, kind = sys.argv[1:]
    warnings.simplefilter("ignore")
    if user == "nobody" and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    print(json.dumps(_ACTIONS[action](isolation, kind)))


_ACTIONS: dict[str, Callable[[str, str], object]] = {
    "fight": _fight_here,
    "bomb": _bomb_here,
    "neighbours": _neighbours_here,
}


if __name__ == "__main__":
    _main()
