"""A sandbox for programs that nobody trusts: run a program's tests, learn which passed, leave nothing behind."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from credit_gym.envs.remembering import remember_short
from credit_gym.envs.team.pool import WorkerPool
from credit_gym.envs.team.sandbox_fence import landlock_version
from credit_gym.envs.team.sandbox_wire import receive, send
from credit_gym.errors import CreditGymError, unknown

Isolation = Literal["namespaces", "process"]

_CHILD = Path(__file__).with_name("sandbox_child.py")
_GRACE = 10.0  # seconds that the supervisor itself may take; a healthy one needs milliseconds
_LIBRARIES = ("/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib")
_LONGEST_PROGRAM = 1_000_000
_LONGEST_REMEMBERED = 10_000  # characters of a program whose results are
_ADVICE = {
    "namespaces": 'Allow user namespaces, or ask for isolation="process", whose verdicts are not trusted.',
    "process": "It needs Linux with filters of system calls, and a Python that user nobody can read.",
}


class SandboxError(CreditGymError, RuntimeError):
    """The sandbox itself cannot run, whatever the program."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use in one test; more is refused by the operating system, and the test fails.

    Attributes:
        seconds: wall-clock time, the program's loading included.
        memory_mb: address space of each process, MiB.
        processes: processes and threads at the same time.
        file_mb: size of a file and of the temporary folder, MiB.
        open_files: open files of a process.
    """

    seconds: float = 5.0
    memory_mb: int = 512
    processes: int = 8
    file_mb: int = 16
    open_files: int = 64


class Result(NamedTuple):
    """How one test went.

    Attributes:
        passed: whether it ran to its end and every assertion held.
        error: what went wrong, in words; empty where nothing did.
    """

    passed: bool
    error: str


class Program(NamedTuple):
    """A program and what it is to be tested by.

    Attributes:
        source: Python source.
        tests: Python sources that assert things, each run against a fresh copy of the program.
        names: what the tests use of the program; nothing else that it defines is visible to them.
        setup: Python source that is run before each test.
    """

    source: str
    tests: tuple[str, ...]
    names: tuple[str, ...]
    setup: str = ""


class Sandbox:
    """A pool of supervised sandboxes.

    Every test runs in two new processes: the program in one, the test in the other, which sees the values that the
    program answers and never its objects (:mod:`~credit_gym.envs.team.sandbox_call`). Both have an empty environment,
    limits, no descriptors but their sockets, and no keyrings (:mod:`~credit_gym.envs.team.sandbox_fence`). With
    ``isolation`` ``namespaces`` each also has PID and mount namespaces of its own, without network, with an empty
    temporary folder, and with no files in sight but Python's, read-only; whatever it starts dies with it.

    ``process`` is for systems that allow no namespaces, and must be asked for. Sockets, files and signals are
    refused by the kernel's filters as far as it has them, but the process table, the disk and the number of processes
    are the system's, so its verdicts are not :attr:`trusted`, and it warns so before anything runs.

    A program and its test hand each other values of up to 64 MiB a call; a larger one fails the test, which says so.

    Results are cached by content, an untrusted one only where the test passed: a failure may have been the doing of
    another process. Safe to use from many threads.

    Args:
        workers: tests that run at the same time.
        limits: what a program may use.
        packages: installed packages that programs may import beside the standard library, such as ``("numpy",)``.
        isolation: ``namespaces``, or ``process`` where the system has none.
        cache_size: results remembered, of programs of at most 10,000 characters.

    Raises:
        CreditGymError: there is no such isolation, or a package is not installed.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        limits: Limits | None = None,
        packages: Sequence[str] = (),
        isolation: Isolation = "namespaces",
        cache_size: int = 4_096,
    ) -> None:
        if isolation not in get_args(Isolation):
            raise unknown("isolation", isolation, get_args(Isolation))
        if workers < 1:
            raise CreditGymError(f"A sandbox needs at least 1 worker, not {workers}.")
        self.limits = limits or Limits()
        self._packages = tuple(packages)
        self._library_paths = sorted({_library_path(name) for name in packages})
        self.trusted = isolation == "namespaces"
        """Whether a program cannot have a hand in its verdict."""
        if not self.trusted:
            warnings.warn(_what_process_cannot_hold(), stacklevel=2)
        self._wanted = isolation
        self._workers = workers
        self._pool = WorkerPool(self._start, workers)
        self._proven = False
        self._remembered = remember_short(cache_size, _LONGEST_REMEMBERED)(self._sure)

    @property
    def isolation(self) -> str:
        """``namespaces`` or ``process``, tried out on this system.

        Raises:
            SandboxError: the system has not what it takes.
        """
        if not self._proven:
            with self._pool.lend():
                self._proven = True
        return self._wanted

    def run(self, program: Program, *, stop_at_failure: bool = False) -> tuple[Result, ...]:
        """Run the tests of a program; return one result each, fewer where it stops at the first failure.

        Raises:
            SandboxError: the sandbox itself failed.
        """
        results = []
        for test in program.tests:
            try:
                results.append(self._remembered(program.source, test, program.names, program.setup))
            except _DoubtfulError as doubtful:
                results.append(doubtful.result)
            if stop_at_failure and not results[-1].passed:
                break
        return tuple(results)

    def run_many(self, programs: Iterable[Program], *, stop_at_failure: bool = False) -> list[tuple[Result, ...]]:
        """Run many programs on all workers; the results come in the order of the programs."""
        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(lambda program: self.run(program, stop_at_failure=stop_at_failure), programs))

    def close(self) -> None:
        """End every worker; the next run starts new ones."""
        self._pool.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sure(self, source: str, test: str, names: tuple[str, ...], setup: str) -> Result:
        """The result of a test if it may be remembered.

        Raises:
            _DoubtfulError: it may not.
        """
        result = self._test(source, test, names, setup)
        if not (self.trusted or result.passed):
            raise _DoubtfulError(result)
        return result

    def _test(self, source: str, test: str, names: tuple[str, ...], setup: str) -> Result:
        if len(source) > _LONGEST_PROGRAM:
            return Result(False, f"The program is longer than {_LONGEST_PROGRAM} characters.")
        with self._pool.lend() as supervisor:
            return supervisor.run({"source": source, "test": test, "names": names, "setup": setup})

    def _start(self) -> _Supervisor:
        return _Supervisor(self.limits, self._packages, self._library_paths, self._wanted)


@lru_cache(maxsize=8)
def shared_sandbox(
    packages: tuple[str, ...] = (), limits: Limits | None = None, isolation: Isolation = "namespaces"
) -> Sandbox:
    """Return the sandbox that everything in this process with the same options shares."""
    return Sandbox(workers=os.cpu_count() or 1, limits=limits, packages=packages, isolation=isolation)


class _DoubtfulError(Exception):
    """A result that another run might not give."""

    def __init__(self, result: Result) -> None:
        self.result = result


class _Supervisor:
    """One child process that forks the processes of tests, and the socket to it."""

    def __init__(self, limits: Limits, packages: tuple[str, ...], library_paths: list[str], isolation: str) -> None:
        self._owner = os.getpid()
        self._seconds = limits.seconds
        options = {
            "isolation": isolation,
            "limits": {**asdict(limits), "cpu_seconds": int(limits.seconds) + 1, "processes": limits.processes + 3},
            "seconds": limits.seconds,
            "packages": packages,
            "library_paths": library_paths,
            "readable": _readable(library_paths),
        }
        self._socket, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with child:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-B", str(_CHILD), json.dumps(options)],
                stdin=child.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self._socket.settimeout(6 * _GRACE)
        reply = self._reply()
        if reply["error"] is not None:
            self.stop()
            raise SandboxError(
                f"The sandbox cannot start with isolation {isolation!r}: {reply['error']}. {_ADVICE[isolation]}"
            )

    def run(self, job: dict[str, Any]) -> Result:
        """Run one test."""
        deadline = self._seconds + _GRACE
        ours, theirs = socket.socketpair()
        verdict: Any = None
        with ours:
            with theirs:
                socket.send_fds(self._socket, [b"!"], [theirs.fileno()])
            ours.settimeout(deadline)
            with suppress(OSError, ValueError):  # it ended early, which the supervisor explains below
                send(ours, job)
                verdict = receive(ours)
            self._socket.settimeout(deadline)
            ending = self._reply()
        if ending["broken"]:
            raise SandboxError("The sandbox cannot shut a process in: it may lack memory, processes or mounts.")
        if ending["timeout"]:
            return Result(False, f"The test takes longer than {self._seconds:g} s.")
        if verdict is None:
            return Result(False, "The test was stopped by a limit on time, memory or processes.")
        return Result(verdict["error"] is None, verdict["error"] or "")

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process, which ends what it supervises, and kill it if it does not."""
        if self._owner == os.getpid():  # a fork of the owner holds this object too
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)
            self._process.kill()
            self._process.wait()
        self._socket.close()

    def _reply(self) -> Any:
        try:
            data = self._socket.recv(1 << 16)
        except OSError as error:
            data = b""
            reason = str(error)
        else:
            reason = "it ended"
        if not data:
            self.stop()
            raise SandboxError(f"The sandbox's supervisor does not answer ({reason}).")
        return json.loads(data)


def _what_process_cannot_hold() -> str:
    files = "" if landlock_version() else "read and write all files of their user, "
    return (
        f"Without namespaces programs can {files}see the system's processes and fill its disk: their verdicts are not "
        'trusted. Use isolation="namespaces" where the system allows it, or a container for this process.'
    )


def _library_path(package: str) -> str:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise CreditGymError(f"Programs cannot import {package}, because it is not installed: pip install {package}.")
    return str(Path(found.origin).resolve().parent.parent)


def _readable(library_paths: Sequence[str]) -> list[str]:
    """The folders that a program sees: shared libraries, Python's own, the asked-for packages; none inside another."""
    prefix = os.path.realpath(sys.base_prefix)
    wanted = [p for p in _LIBRARIES if os.path.isdir(p)]
    wanted += [prefix] if prefix not in ("/usr", "/usr/local") else []
    chosen: list[str] = []
    for path in sorted([*wanted, *library_paths]):
        if not any(path == other or path.startswith(f"{other}/") for other in chosen):
            chosen.append(path)
    return chosen
