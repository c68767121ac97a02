"""Folders that nobody can write, root neither."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def command(folder: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line while a folder is a read-only disk; skips where none can be mounted."""
    unshare = shutil.which("unshare")
    mounting = [str(unshare), "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    probe = [*mounting, "sh", "-c", _MOUNTED, str(folder), "true"]
    if unshare is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    program = [sys.executable, "-m", "credit_gym.cli", *arguments]
    mounted = [*mounting, "sh", "-c", _MOUNTED, str(folder), *program]
    return subprocess.run(mounted, cwd=cwd, capture_output=True, text=True, check=False)


@contextmanager
def without_write_permission(folder: Path) -> Iterator[None]:
    """Take the right to write from a folder and all in it; skips for root, who needs none."""
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    entries = [folder, *folder.rglob("*")]
    modes = [entry.stat().st_mode for entry in entries]
    for entry in entries:
        entry.chmod(0o555 if entry.is_dir() else 0o444)
    try:
        yield
    finally:
        for entry, mode in zip(entries, modes, strict=True):
            entry.chmod(mode)
