"""What a step achieved, beside the distance: parts of the goal, new knowledge, repetition."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_SHOWN = re.compile(r"(?:On the|The) ([^.,]{1,99}?)(?: is open\. In it)?, you see ")


class Journal(NamedTuple):
    """What happened in an episode so far.

    Attributes:
        states: keys of the states visited.
        seen: names of the receptacles whose contents were shown.
    """

    states: frozenset[str]
    seen: frozenset[str]

    def after(self, key: str, observation: str) -> Journal:
        """Return the journal with one moment more."""
        shown = _SHOWN.search(observation)
        seen = self.seen if shown is None or shown[1] in self.seen else self.seen | {shown[1]}
        return Journal(self.states if key in self.states else self.states | {key}, seen)


def signals(before: Journal, after: Journal, key: str, last_key: str, invalid: bool) -> dict[str, Any]:
    """Return the channels that need the past.

    Args:
        before: the journal up to the state acted in.
        after: the journal with the state reached.
        key: key of the state reached.
        last_key: key of the state acted in.
        invalid: whether the action was refused.

    Returns:
        ``admissible``; ``no_op``: the state stayed the same; ``revisit``: it had been visited before (a no-op is one);
        ``new_containers``: how many receptacles showed their contents for the first time, the epistemic progress.
    """
    return {
        "admissible": not invalid,
        "no_op": key == last_key,
        "revisit": key in before.states,
        "new_containers": len(after.seen) - len(before.seen),
    }
