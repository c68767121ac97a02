"""Small disks and read-only folders of a process's own, which nobody else sees and which go with it."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

from credit_gym.baselines.stress.trial import Skipped

_CLONE_NEWNS = 0x00020000


def mount_private_disk(folder: Path, kilobytes: int) -> None:
    """Mount an empty disk of a size; where nothing can be mounted the trial is skipped."""
    folder.mkdir(parents=True, exist_ok=True)
    _own_mounts()
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder))


def resize(folder: Path, kilobytes: int) -> None:
    """Make such a disk larger or smaller."""
    _mount("-o", f"remount,size={kilobytes}k", str(folder))


def make_read_only(folder: Path) -> None:
    """Let nobody write in a folder, root neither."""
    _own_mounts()
    _mount("--bind", str(folder), str(folder))
    _mount("-o", "remount,bind,ro", str(folder))


def _own_mounts() -> None:
    if os.geteuid() or ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        raise Skipped("nothing can be mounted here: only root may")
    _mount("--make-rprivate", "/")


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped(f"nothing can be mounted here: {done.stderr.strip()}")
