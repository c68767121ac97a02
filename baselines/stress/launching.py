"""The commands as processes of their own, begun, waited for and killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from credit_gym.baselines.stress.trial import Found, expect

COMMAND = (sys.executable, "-m", "credit_gym.cli")
PATIENCE = 120.0  # seconds that a command may take
_GLANCE = 0.005


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code, negative for a signal.
        out: what it printed.
        err: and on standard error.
    """

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The end of what it said, for a note."""
        return f"exit code {self.code}: {(self.err or self.out).strip()[-300:]}"


class Launched:
    """A command under way, its output in files, so that nobody has to read along.

    Args:
        folder: the working directory, for the files too.
        command: what to run.
        variables: of its environment, beside those of this process.
    """

    def __init__(self, folder: Path, *command: str, variables: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("said-*.out")))
        self._begun = self._over = time.monotonic()
        self._out, self._err = folder / f"said-{number}.out", folder / f"said-{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(variables or {})},
                preexec_fn=_interruptible,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def seconds(self) -> float:
        """How long it took, once it has been waited for."""
        return self._over - self._begun

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def lines(self) -> list[str]:
        """Return the whole lines printed so far."""
        return self._out.read_text("utf-8", "replace").split("\n")[:-1]

    def first_line(self, seconds: float = PATIENCE) -> str:
        """Wait for its first line; empty if it ends without one."""
        deadline = time.monotonic() + seconds
        while not (lines := self.lines()) and not self.over:
            if time.monotonic() > deadline:
                raise Found("hang", f"no line after {seconds:.0f} s: {' '.join(map(str, self.process.args))[-200:]}")  # type: ignore[arg-type]
            time.sleep(_GLANCE)
        return (lines or self.lines() or [""])[0].strip()

    def send(self, number: int) -> None:
        """Send a signal; one that has ended gets none."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def ended(self, seconds: float = PATIENCE) -> Ended:
        """Wait for its end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Found("hang", f"not over after {seconds:.0f} s: {' '.join(self.process.args)[-200:]}") from None  # type: ignore[arg-type]
        self._over = time.monotonic()
        return Ended(code, self._out.read_text("utf-8", "replace"), self._err.read_text("utf-8", "replace"))

    def killed(self) -> None:
        """End it by SIGKILL."""
        self.send(signal.SIGKILL)
        self.process.wait()


def launch(folder: Path, *arguments: str, variables: dict[str, str] | None = None) -> Launched:
    """Begin a command of the command line."""
    return Launched(folder, *COMMAND, *arguments, variables=variables)


def call(folder: Path, *arguments: str, codes: tuple[int, ...] = (0,), seconds: float = PATIENCE) -> Ended:
    """Run a command of the command line to its end, with one of some exit codes and without a traceback."""
    ended = launch(folder, *arguments).ended(seconds)
    check_said(ended, codes)
    return ended


def check_said(ended: Ended, codes: tuple[int, ...]) -> None:
    """Refuse another exit code, and a traceback."""
    expect(ended.code in codes and "Traceback" not in ended.err, "wrong", ended.said)


def wait_a_moment(rng: random.Random, launched: Launched, most: float) -> None:
    """Wait for a drawn time, or until a command ends."""
    deadline = time.monotonic() + rng.uniform(0.0, most)
    while time.monotonic() < deadline and not launched.over:
        time.sleep(_GLANCE)


def _interruptible() -> None:
    """Let Ctrl-C interrupt, which whoever is started in the background of a script inherits as ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
