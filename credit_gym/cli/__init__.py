"""The command line, a file a command. Every command imports what it needs when it is called.

- Where file and command differ: ``lists`` has ``envs``, ``scorers`` and ``columns``; ``rescore`` is ``score``,
  ``imports`` is ``import``, ``generate`` is ``alfworld-generate``.
- ``app``: what they register with and share. ``language_model``: the options of those that ask one; ``recorded``: what
  is recorded on demand.
"""

from __future__ import annotations

from importlib import import_module

from credit_gym.cli.app import app, main

__all__ = ["app", "main"]

_IN_ORDER = (
    "lists",
    "promptings",
    "run",
    "rescore",
    "imports",
    "credit",
    "advise",
    "targets",
    "report",
    "view",
    "sweep",
    "bench",
    "compare",
    "runs",
    "play",
    "serve",
    "generate",
    "tiny_lm",
    "train",
    "reproduce",
    "stress",
)
for _name in _IN_ORDER:  # importing a file registers its commands; the help lists them in this order
    import_module(f"{__name__}.{_name}")
