"""One trial: a fault done to a real command, in a process of its own that may hang or die and takes nobody along."""

from __future__ import annotations

import json
import os
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, TypeAlias

from credit_gym.baselines.stress.descent import adopting, end_all, left_after

Flaw: TypeAlias = Literal["lost", "partial", "leaked", "hang", "wrong"]
"""What was recorded is gone or changed; something half-done, foreign or double counts as recorded; something stays
behind; nothing ends; a traceback or a wrong exit code where a sentence is due."""

FLAWS: tuple[Flaw, ...] = ("lost", "partial", "leaked", "hang", "wrong")
_GRACE = 10.0  # seconds in which what a trial started must be gone


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        note: what was done, or what is wrong, in a few words.
        flaw: what is wrong; None where everything held.
        skipped: whether it could not be tried here.
        seconds: how long it took.
    """

    note: str = ""
    flaw: Flaw | None = None
    skipped: bool = False
    seconds: float = 0.0


Trial: TypeAlias = Callable[[random.Random, Path], Outcome]
"""Does a fault in an empty folder, at places and moments that are drawn."""


class Found(Exception):
    """A flaw, raised where a trial finds it."""

    def __init__(self, flaw: Flaw, note: str) -> None:
        super().__init__(note)
        self.flaw: Flaw = flaw


class Skipped(Exception):
    """A trial cannot be made on this machine."""


def expect(holds: bool, flaw: Flaw, note: str) -> None:
    """Raise a flaw where something does not hold."""
    if not holds:
        raise Found(flaw, note)


def tried(trial: Trial, seed: int, folder: Path, seconds: float) -> Outcome:
    """Make a trial.

    Args:
        trial: what to try.
        seed: fixes what is drawn.
        folder: an empty folder; temporary files of what the trial starts go to ``tmp`` in it.
        seconds: after these it counts as hanging, and is ended with all that it started.

    Returns:
        What came of it; processes and temporary files that it left are a flaw.
    """
    temporary, report = folder / "tmp", folder / "outcome.json"
    temporary.mkdir(parents=True)
    begun = time.monotonic()
    with adopting():
        process = get_context("fork").Process(target=_try, args=(trial, seed, folder, report))
        process.start()
        process.join(seconds)
        hung = process.is_alive()
        if hung:
            process.kill()
            process.join()
            end_all()
    spent = time.monotonic() - begun
    if hung:
        return Outcome(f"not over after {seconds:.0f} s", "hang", seconds=spent)
    if not report.exists():
        return Outcome(f"the trial itself ended with {process.exitcode}", "wrong", seconds=spent)
    outcome = Outcome(**{**json.loads(report.read_text("utf-8")), "seconds": spent})
    left = sorted(entry.name for entry in temporary.iterdir())
    if left and outcome.flaw is None:
        return Outcome(f"temporary files: {', '.join(left[:3])}", "leaked", seconds=spent)
    return outcome


def _try(trial: Trial, seed: int, folder: Path, report: Path) -> None:
    os.setsid()
    os.environ["TMPDIR"] = str(folder / "tmp")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "torch")  # which is meant to stay
    with adopting():
        outcome = _outcome(trial, seed, folder)
        left = left_after(_GRACE)
        if left and outcome.flaw is None:
            outcome = Outcome(f"processes: {', '.join(left.values())[:300]}", "leaked")
        end_all()
    report.write_text(json.dumps(asdict(outcome)), encoding="utf-8")


def _outcome(trial: Trial, seed: int, folder: Path) -> Outcome:
    try:
        return trial(random.Random(seed), folder)
    except Found as found:
        return Outcome(str(found), found.flaw)
    except Skipped as reason:
        return Outcome(str(reason), skipped=True)
    except Exception:  # noqa: BLE001 - whatever a trial meets that it did not expect is a finding
        return Outcome(traceback.format_exc()[-600:], "wrong")
