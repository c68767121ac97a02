"""Which processes descend from which, as Linux tells it; nobody gets away by losing its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_GLANCE = 0.05  # seconds


@contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of every descendant that loses its own, while the block runs."""
    _adopt(1)
    try:
        yield
    finally:
        _adopt(0)


def descendants(pid: int | None = None) -> dict[int, str]:
    """Return the living processes below one, this one by default: pid -> command line. Zombies are no longer alive."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, waiting = dict[int, str](), [os.getpid() if pid is None else pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found[child] = _command_line(child)
            waiting.append(child)
    return found


def left_after(seconds: float) -> dict[int, str]:
    """Wait until no descendant is left; return those that still are after so many seconds."""
    deadline, alone = time.monotonic() + seconds, 0
    left = descendants()
    while alone < 2 and time.monotonic() < deadline:  # one look can miss who is just losing its parent
        _bury()
        time.sleep(_GLANCE)
        left = descendants()
        alone = 0 if left else alone + 1
    _bury()
    return left


def end_all() -> None:
    """Kill every descendant, and those that these leave."""
    for _ in range(20):
        left = descendants()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _bury()
        if not left:
            return
        time.sleep(_GLANCE)


def _adopt(whether: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, whether, 0, 0, 0)


def _bury() -> None:
    """Wait for children that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""
