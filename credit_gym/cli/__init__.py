"""The command line: one file per group of commands. Every command imports what it needs when it is called."""

from __future__ import annotations

from importlib import import_module

from credit_gym.cli.app import app, main

__all__ = ["app", "main"]

_IN_ORDER = (
    "lists",
    "run",
    "rescore",
    "imports",
    "targets",
    "report",
    "sweep",
    "bench",
    "runs",
    "play",
    "generate",
    "tiny_lm",
    "train",
)
for _name in _IN_ORDER:  # importing a file registers its commands; the help lists them in this order
    import_module(f"{__name__}.{_name}")
