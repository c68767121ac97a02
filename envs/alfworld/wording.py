"""What is typed and what is answered: the wording of games made here, and that of game files, read without TextWorld.

Every game file carries a whole TextWorld grammar, but they differ in wording only (``put apple 1 in/on ...`` became
``move apple 1 to ...``). The rules with structure are compared with ALFWorld's; the plain sentences are read from the
file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from credit_gym.data.foreign_text import read_json
from credit_gym.envs.alfworld.problem import UnsupportedGameError
from credit_gym.errors import ManifestError

_STRUCTURE = "2de76978b698706665da6e945b17eb98"
"""Digest of the rules that the native engine has in its own code."""

_FIXED_RULES = (
    "intro", "GotoLocation.feedback", "OpenObject.feedback", "inventory.feedback", "examineReceptacle.feedback",
    "examineObject.feedback", "toggleObject.feedback", "look.feedback", "look-variations", "list_objects_on_the_floor",
    "list_appliances", "overview(o)", "overview(r)", "list_empty", "list_separator", "list_last_separator",
)  # fmt: skip
_FIXED_COMMANDS = ("GotoLocation", "inventory", "examineReceptacle", "examineObject", "look", "help")
_SENTENCES = {
    "CloseObject": "CloseObject.feedback",
    "PickupObject": "PickupObject.feedback",
    "PutObject": "PutObject.feedback",
    "HeatObject": "heatObject.feedback",
    "CleanObject": "cleanObject.feedback",
    "CoolObject": "coolObject.feedback",
    "SliceObject": "sliceObject.feedback",
    "help": "help.feedback",
}
_COMMANDS = (*(action for action in _SENTENCES if action != "help"), "OpenObject", "ToggleObject")
_OTHERS = ("GotoLocation", "OpenObject", "inventory", "examineReceptacle", "examineObject", "ToggleObject", "look")

_OWN_COMMANDS = {
    "gotolocation": "go to {r}",
    "openobject": "open {r}",
    "closeobject": "close {r}",
    "pickupobject": "take {o} from {r}",
    "putobject": "move {o} to {r}",
    "cleanobject": "clean {o} with {r}",
    "heatobject": "heat {o} with {r}",
    "coolobject": "cool {o} with {r}",
    "toggleobject": "use {o}",
    "sliceobject": "slice {co} with {ko}",
    "examinereceptacle": "examine {r}",
    "examineobject": "examine {o}",
    "look": "look",
    "inventory": "inventory",
    "help": "help",
}
_HELP = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""
_OWN_SENTENCES = {
    "gotolocation": "You arrive at {r}. ",
    "openobject": "You open the {r}. ",
    "closeobject": "You close the {r}.",
    "pickupobject": "You pick up the {o} from the {r}.",
    "putobject": "You move the {o} to the {r}.",
    "cleanobject": "You clean the {o} using the {r}.",
    "heatobject": "You heat the {o} using the {r}.",
    "coolobject": "You cool the {o} using the {r}.",
    "toggleobject": "You turn on the {o}.",
    "sliceobject": "You sliced the {co} with the {ko}.",
    "help": _HELP,
}

_TASK = re.compile(r'("task"\s*:\s*\[\s*\{\s*"rhs"\s*:\s*")((?:[^"\\]|\\.)*)"')
_RULES = re.compile(r'grammar\s*::\s*"""((?:[^"]|"(?!""))*+)"""\s*;')
_ACTION = re.compile(
    r'action\s+(\w+)\s*\{\s*template\s*::\s*"((?:[^"\\]|\\.)*)"\s*;\s*feedback\s*::\s*"((?:[^"\\]|\\.)*)"\s*;'
)
_SLOT = re.compile(r"\{(o|r|co|ko)(?:\.name)?\}")
_SPECIAL = frozenset(';|"<>[]#{}\t\\')


@dataclass(frozen=True, slots=True)
class Wording:
    """The plain texts of a game, as :meth:`str.format` templates over ``o``, ``r``, ``co`` and ``ko``.

    Attributes:
        commands: action -> how it is typed.
        sentences: action -> how it is answered, or how the answer begins; none for what is only described.
        task: what the introduction ends with.
    """

    commands: Mapping[str, str]
    sentences: Mapping[str, str]
    task: str


def own_wording(goal: str) -> Wording:
    """Return the wording of a game made here: today's ALFWorld's, to the character."""
    return Wording(_OWN_COMMANDS, _OWN_SENTENCES, f"Your task is to: {goal}.")


def read_wording(grammar: str) -> Wording:
    """Read a game's grammar.

    Raises:
        ManifestError: it is no grammar.
        UnsupportedGameError: its rules are not ALFWorld's.
    """
    task = _TASK.search(grammar)
    if task is None:
        raise UnsupportedGameError("its grammar has no task sentence")
    commands, sentences = _shared(grammar[: task.start(2)] + grammar[task.end(2) :])
    try:
        sentence = read_json(f'"{task[2]}"')
    except ValueError as error:
        raise ManifestError("The game cannot be compiled (its task sentence is malformed).") from error
    if _SPECIAL & set(sentence) or "\n" in sentence:
        raise UnsupportedGameError("its task sentence has characters that mean something to TextWorld's grammar")
    return Wording(commands, sentences, sentence.lstrip())


@lru_cache(maxsize=16)
def _shared(grammar: str) -> tuple[dict[str, str], dict[str, str]]:
    """The commands and answers of a grammar, which all games of a data set share."""
    rules: dict[str, Any] = {}
    try:
        for block in _RULES.findall(grammar):
            rules |= read_json(block)
    except ValueError as error:
        raise ManifestError("The game cannot be compiled (its grammar is malformed).") from error
    actions = {name: (command, feedback) for name, command, feedback in _ACTION.findall(grammar)}
    expected = [
        [rules.get(name) for name in _FIXED_RULES],
        [actions.get(name, ("",))[0] for name in _FIXED_COMMANDS],
        [actions.get(name, ("", ""))[1] for name in (*_OTHERS, *_SENTENCES)],
    ]
    if blake2b(json.dumps(expected).encode(), digest_size=16).hexdigest() != _STRUCTURE:
        raise UnsupportedGameError("its grammar has other rules than ALFWorld's")
    commands = {action.lower(): _plain(actions[action][0]) for action in _COMMANDS}
    sentences = {action.lower(): _plain(_only(rules.get(rule))) for action, rule in _SENTENCES.items()}
    return _OWN_COMMANDS | commands, _OWN_SENTENCES | sentences


def _only(rule: Any) -> str:
    """The text of a rule without alternatives."""
    match rule:
        case [{"rhs": str(text), **rest}] if not rest:
            return text
    raise UnsupportedGameError("its grammar answers conditionally where ALFWorld's does not")


def _plain(text: str) -> str:
    """A template whose only symbols are the names of the objects acted on."""
    if _SPECIAL & set(_SLOT.sub("", text)):
        raise UnsupportedGameError(f"its grammar says {text!r}, which is not plain text")
    return _SLOT.sub(r"{\1}", text.lstrip())  # TextWorld's parser skips white space at the beginning of a line
