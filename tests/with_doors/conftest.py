"""Tests against the real packages behind the doors, in an environment of their own (``make test-doors``).

Without them there are none: each file of tests says which package it is about by its first import.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

_ABOUT = {"openenv": "test_openenv*.py", "inspect_ai": "test_inspect*.py", "atif": "test_atif*.py"}
_HERE = Path(__file__).parent

collect_ignore = [
    str(path.relative_to(_HERE))
    for package, names in _ABOUT.items()
    if find_spec(package) is None
    for path in _HERE.glob(names)
]
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What pip leaves beside an editable package hides from inspect_ai that it is installed, and so its tasks their names.
_ROOT = _HERE.parent.parent
sys.path[:] = [each for each in sys.path if Path(each).resolve() != _ROOT]
