"""The simplest learner: remember the mean credit of every action in every state, and play the best one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from credit_gym import rng
from credit_gym.agents.core import Context, random_bits, uniform_action
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.data.keys import ShownKey, check_shown
from credit_gym.data.target import TrainingTarget
from credit_gym.errors import CreditGymError
from credit_gym.metrics.differentiation import PreferenceTable
from credit_gym.metrics.fidelity import FLAT

_FORMAT = "credit-gym score table 1"


class ScoreTable:
    """Mean credit of every (state key, action), accumulated over any number of fits.

    Its greedy choice is deterministic: equally good actions (means equal to 1e-9) are told apart by a draw that depends
    on the seed, the state and the action alone, so a tie that was broken stays broken, after refits too.

    Args:
        seed: breaks ties.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._cells: dict[str, dict[str, tuple[float, int]]] = {}

    def fit(self, targets: Iterable[TrainingTarget]) -> ScoreTable:
        """Add targets to what the table has already seen; return the table."""
        for target in targets:
            actions = self._cells.setdefault(target.state_key, {})
            total, count = actions.get(target.action, (0.0, 0))
            actions[target.action] = (total + target.credit, count + 1)
        return self

    @property
    def means(self) -> PreferenceTable:
        """Mean credits, as :func:`credit_gym.metrics.differentiation.preference_table` gives them."""
        return {
            state: {action: total / count for action, (total, count) in actions.items()}
            for state, actions in self._cells.items()
        }

    def best(self, state_key: str, admissible: Sequence[str] = ()) -> str | None:
        """Return the action with the largest mean credit in a state.

        Args:
            state_key: the state.
            admissible: the actions to choose from; empty means every action seen there.

        Returns:
            The action, or None if none of them was ever tried in this state.
        """
        cells = self._cells.get(state_key, {})
        means = {
            action: total / count for action, (total, count) in cells.items() if not admissible or action in admissible
        }
        if not means:
            return None
        top = max(means.values())
        least = top - FLAT * max(abs(top), 1.0)
        tied = [action for action, mean in means.items() if mean >= least]
        return tied[0] if len(tied) == 1 else max(tied, key=lambda action: self._ticket(state_key, action))

    def save(self, path: Path | str) -> None:
        """Write the table as JSON."""
        content = {"format": _FORMAT, "seed": self.seed, "cells": self._cells}
        Path(path).write_text(json.dumps(content, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> ScoreTable:
        """Read a saved table.

        Raises:
            CreditGymError: the file cannot be read or is not a score table.
        """
        try:
            content = read_json(file_text(path))
            if content["format"] != _FORMAT:
                raise ValueError(f"its format is {content['format']!r}")
            table = cls(int(content["seed"]))
            table._cells = {
                str(state): {str(action): (float(total), int(count)) for action, (total, count) in actions.items()}
                for state, actions in content["cells"].items()
            }
        except OSError as error:
            raise CreditGymError(f"The score table {str(path)!r} cannot be read: {error.strerror}.") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CreditGymError(
                f"{str(path)!r} is not a score table that ScoreTable.save wrote ({type(error).__name__}: {error})."
            ) from None
        return table

    def _ticket(self, state_key: str, action: str) -> int:
        return rng.derive(self.seed, _text_bits(state_key), _text_bits(action))


@dataclass(frozen=True)
class ScoreTableAgent:
    """Plays a score table greedily, and uniformly at random where the table knows none of the actions.

    Attributes:
        table: the mean credits.
        seed: fixes the random actions, together with the episode's seed and the step.
        key: what the table's states are; the ``key`` that its targets were built with.
    """

    table: ScoreTable
    seed: int = 0
    key: ShownKey = "state"
    name: str = "table"

    def __post_init__(self) -> None:
        check_shown(self.key)

    def act(self, contexts: Sequence[Context], /) -> list[str]:
        """Return one action per context."""
        return [self._action(context) for context in contexts]

    def _action(self, context: Context) -> str:
        state = context.info["state_key"] if self.key == "state" else context.observation
        choice = self.table.best(state, context.admissible_actions)
        return uniform_action(context, random_bits(context, self.seed)) if choice is None else choice


def _text_bits(text: str) -> int:
    """64 bits of a text that are the same in every process."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
