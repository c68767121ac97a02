"""One reproduction made into a folder: its command run, its tables and figures kept, and what it ran on."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from credit_gym import __version__
from credit_gym.baselines.claims.catalogue import CATALOGUE
from credit_gym.baselines.claims.reproduction import Reproduction
from credit_gym.data.foreign_text import file_bytes, file_text, read_json
from credit_gym.errors import CreditGymError, StoreError
from credit_gym.formats.whole_file import whole_file
from credit_gym.report.table import Table
from credit_gym.report.table_files import read_figures
from credit_gym.report.text import one_line

TABLES, RUNS, LOG, RECORD = "tables", "runs", "log.txt", "made.json"
"""What lies in the folder of a reproduction."""

_PACKAGES = ("numpy", "scipy", "gymnasium", "torch", "transformers", "trl")


class MakingError(CreditGymError):
    """A command of a reproduction failed; the sentence is its last."""


class UnsetVariableError(MakingError):
    """A reproduction wants published data, and the variable that names them is not set."""


@dataclass(frozen=True, slots=True)
class Made:
    """How tables were made.

    Attributes:
        command: as it can be typed, from the folder of all reproductions.
        quick: whether it was the quick look.
        minutes: by the wall.
        credit_gym: the project's version.
        python: and the machine's.
        platform: system and processor.
        cores: of the machine.
        packages: name -> version.
    """

    command: str
    quick: bool
    minutes: float
    credit_gym: str
    python: str
    platform: str
    cores: int
    packages: dict[str, str]


class Step(NamedTuple):
    """One of several that were to be made: how it was, or why it was not; how many are left, and in which time."""

    of: Reproduction
    outcome: Made | MakingError
    left: int
    minutes_left: float | None


def command(each: Reproduction, *, quick: bool, extra: Sequence[str] = ()) -> list[str]:
    """Return the arguments of Python that make a reproduction, from within the folder of all.

    Args:
        each: of which.
        quick: whether for a look at it in minutes.
        extra: further options, such as ``--agent SPEC``.

    Raises:
        UnsetVariableError: it wants published data.
    """
    given = (*each.options, *(each.quick if quick else ()), *extra)
    options = [_filled(option, each) for option in given]
    return ["-m", f"credit_gym.baselines.{each.module}", *options, "--plots", f"{each.name}/{TABLES}"]


def made(each: Reproduction, folder: Path, *, quick: bool, extra: Sequence[str] = ()) -> Made | None:
    """Return how a reproduction was made by this very command and version; None where it was not."""
    record = record_of(each, folder)
    wanted = (_typed(command(each, quick=quick, extra=extra)), __version__)
    return record if record is not None and (record.command, record.credit_gym) == wanted else None


def record_of(each: Reproduction, folder: Path) -> Made | None:
    """Return how the tables of a reproduction were made; None where there are none."""
    try:
        record = Made(**read_json(file_text(folder / each.name / RECORD)))
    except (OSError, ValueError, TypeError):
        return None
    return record if tables_of(each, folder) else None


def make(each: Reproduction, folder: Path, *, quick: bool, extra: Sequence[str] = ()) -> Made:
    """Run the command of a reproduction in a folder; what it prints goes to ``NAME/log.txt``.

    Args:
        each: what to make.
        folder: of all reproductions; made if need be. Runs of a command that was stopped are gone on with.
        quick: see :func:`command`.
        extra: see :func:`command`.

    Raises:
        MakingError: the command failed, or wants published data.
        StoreError: the folder cannot be made.
    """
    arguments = command(each, quick=quick, extra=extra)
    own = folder / each.name
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{own} cannot be made ({error.strerror}): choose another --folder.") from error
    (own / RECORD).unlink(missing_ok=True)
    begun = time.monotonic()
    with (own / LOG).open("wb") as log:
        played = subprocess.run([sys.executable, *arguments], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    if played.returncode:
        raise MakingError(f"{each.name} was not made: {_last_line(own / LOG)} The whole is in {own / LOG}.")
    record = Made(
        command=_typed(arguments),
        quick=quick,
        minutes=round((time.monotonic() - begun) / 60, 2),
        credit_gym=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        cores=os.cpu_count() or 1,
        packages=_versions(),
    )
    with whole_file(own / RECORD) as part:
        part.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    return record


def make_all(
    wanted: Sequence[Reproduction], folder: Path, *, quick: bool, again: bool = False, extra: Sequence[str] = ()
) -> Iterator[Step]:
    """Make one after another, but for those that this command and version made already; a failure ends its own alone.

    Args:
        wanted: in the order in which they are made.
        folder: see :func:`make`.
        quick: see :func:`command`.
        again: whether to make also what is there.
        extra: further options of the last of them, such as ``--agent SPEC``.

    Yields:
        What has come of each, how many are left, and of a quick look the minutes that these will take by what the ones
        before took.
    """
    stated = taken = 0.0
    for number, each in enumerate(wanted):
        own = extra if number == len(wanted) - 1 else ()
        try:
            record = None if again else made(each, folder, quick=quick, extra=own)
            if record is None:
                record = make(each, folder, quick=quick, extra=own)
                stated, taken = stated + (each.quick_seconds or 0.0), taken + record.minutes
            outcome: Made | MakingError = record
        except MakingError as error:
            outcome = error
        later = sum(one.quick_seconds or 0.0 for one in wanted[number + 1 :])
        yield Step(each, outcome, len(wanted) - number - 1, later * taken / stated if quick and stated else None)


def tables_of(each: Reproduction, folder: Path) -> list[Table]:
    """Return the tables that were made of a reproduction; none where none were, or their file is damaged."""
    return [table for table, _ in figures_of(each, folder)]


def figures_of(each: Reproduction, folder: Path) -> list[tuple[Table, bytes | None]]:
    """Return these tables, each with its figure as SVG."""
    with suppress(StoreError):  # then they are made again
        return read_figures(folder / each.name / TABLES)
    return []


def _filled(option: str, each: Reproduction) -> str:
    """An option, ``{NAME}`` in it replaced by where that reproduction keeps its runs, or by a variable's value."""
    if not (option.startswith("{") and option.endswith("}")):
        return option
    name = option[1:-1]
    if name in CATALOGUE:
        return f"{name}/{RUNS}"
    if name not in os.environ:
        raise UnsetVariableError(f"{each.name} reads published data: set {name} to a folder that holds them.")
    return os.path.abspath(os.environ[name])


def _typed(arguments: Sequence[str]) -> str:
    return shlex.join(["python", *arguments])


def _last_line(log: Path) -> str:
    lines = file_bytes(log).decode("utf-8", "replace").strip().splitlines()
    return one_line(lines[-1].removeprefix("Error: ")).rstrip(".") + "." if lines else "it said nothing."


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
