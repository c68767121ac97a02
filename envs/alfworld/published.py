"""ALFWorld's own planning domain and grammar, read from the installed wheel: what a game file of its format carries.

``import alfworld`` creates a folder in the home directory and sets an environment variable, so nothing is imported.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from credit_gym.errors import missing_extra


class Texts(NamedTuple):
    """What a game file brings beside its problem.

    Attributes:
        domain: the PDDL domain.
        grammar: TextWorld's grammar, with the goal sentence.
    """

    domain: str
    grammar: str


def published_texts(goal: str) -> Texts:
    """Return the texts of the installed alfworld for a game with that goal sentence.

    Raises:
        MissingExtraError: alfworld is not installed.
    """
    spec = find_spec("alfworld")  # locates the package without importing it
    if spec is None or spec.origin is None:
        raise missing_extra("alfworld", "alfworld")
    domain, grammar = _texts(Path(spec.origin).parent / "data")
    return Texts(domain, grammar.replace("UNKNOWN GOAL", goal))


@cache
def _texts(folder: Path) -> Texts:
    return Texts(*((folder / name).read_text(encoding="utf-8") for name in ("alfred.pddl", "alfred.twl2")))
