"""How far the back ends have come on the way that the gold calls of a turn go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from credit_gym.envs.function_calls.state import State, distance, same


class Way:
    """The way of one turn with gold calls.

    A turn asks for two things: that the states are the gold ones at its end, and that every answer of a gold call was
    seen by then. :meth:`states_share` and :meth:`answers_share` are the shares of the two that are reached. Where the
    gold calls change a state, :meth:`share` is their mean; where they only look, their product, so that nothing is
    reached before something was seen. It is 1 exactly where the published check of the turn would hold.

    Args:
        path: the states before the turn and after each of its gold calls, class -> state.
        answers: what the gold calls answer.
    """

    def __init__(self, path: Sequence[Mapping[str, State]], answers: Sequence[str]) -> None:
        self._path = [path[0]]
        for states in path[1:]:  # without what leads back to where it has been
            been = next((number for number, there in enumerate(self._path) if _same(states, there)), len(self._path))
            self._path = [*self._path[:been], states]
        self._end = path[-1]
        self._whole = max(1, sum(distance(state, self._end[name]) for name, state in path[0].items()))
        self._answers = Counter(answers)

    @property
    def changes(self) -> int:
        """How many of the gold calls change a state and are not undone by others."""
        return len(self._path) - 1

    def share(self, stand: float, known: float) -> float:
        """Return the share of the way, in [0, 1], from those of its two parts."""
        return (stand + known) / 2 if self.changes else stand * known

    def states_share(self, states: Mapping[str, State]) -> float:
        """Return how far states are, in [0, 1]; 1 exactly at the end.

        States that the gold calls pass through have come as far as the share of the changes behind them. Any other is
        1 less its distance from the end over the distance of the beginning, both in values that differ: so what is
        done in another order counts, and what should not have been done counts against it.

        Args:
            states: as they are, class -> state.
        """
        for number in range(len(self._path) - 1, -1, -1):
            if _same(states, self._path[number]):
                return number / self.changes if self.changes else 1.0
        apart = sum(distance(state, self._end[name]) for name, state in states.items())
        return max(0.0, 1.0 - apart / self._whole)

    def answers_share(self, seen: Mapping[str, int]) -> float:
        """Return the share of the gold answers that were seen, in [0, 1].

        Args:
            seen: answer -> how often it was seen since the conversation began.
        """
        found = sum(min(count, seen.get(text, 0)) for text, count in self._answers.items())
        return found / self._answers.total()


def _same(states: Mapping[str, State], gold: Mapping[str, State]) -> bool:
    return all(same(states[name], state) for name, state in gold.items())
