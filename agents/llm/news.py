"""What a model is told of the action that is due: how it is written, and what is on offer, each where it changes.

A message that was sent never changes, so nothing is said again that stands in the chat already.
"""

from __future__ import annotations

from credit_gym.agents.core import Due
from credit_gym.data.action_format import ActionFormat, describe, list_offered


class News:
    """Follows one chat, turn by turn.

    Args:
        form: the format that the system message tells.
        native: whether tools are called as such, so that examples of calls in text would mislead.
    """

    def __init__(self, form: ActionFormat, *, native: bool) -> None:
        self._form = form
        self._native = native
        self._offered: tuple[str, ...] = ()

    def form_texts(self) -> dict[str, str]:
        """Return ``format`` and ``length`` of a template."""
        return {"format": self._described(), "length": ", on one line" if self._form.kind == "line" else ""}

    def next(self, due: Due, observation: str) -> str:
        """Return what the next turn adds to its observation, empty where nothing is new."""
        parts = []
        if due.action_format != self._form:
            self._form = due.action_format
            parts.append(self._described())
        offered = due.admissible_actions
        if self._form.listed and offered and offered != self._offered:
            self._offered = offered
            if listing := list_offered(self._form, offered, observation):
                parts.append(listing)
        return "".join(f"\n\n{part}" for part in parts)

    def _described(self) -> str:
        return self._form.how if self._native else describe(self._form)


def limit_text(steps: int | None) -> str:
    """Return a number of steps in a text."""
    return "unlimited" if steps is None else str(steps)
