"""Runs of a study that are kept as they end and not made again: where they lie, and how they are made."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def run_folder(folder: Path, recipe: str, seed: int) -> Path:
    """Where a run of a study is kept."""
    return folder / f"{''.join(c if c.isalnum() else '-' for c in recipe)}-{seed}"


def write_whole(path: Path, text: str) -> None:
    """Write a file; one that was being written when the process died is never mistaken for a whole one."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def one_thread() -> None:
    """Confine PyTorch, where it is installed, to one thread, in a process that is one of many."""
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
