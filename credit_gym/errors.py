"""Errors of credit_gym: each message is one sentence that says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CreditGymError(Exception):
    """Base of every error that credit_gym raises on bad input."""


class BatchError(CreditGymError, ValueError):
    """An episode or a batch is malformed (shapes, NaN rewards, ids out of range)."""


class MissingColumnError(BatchError):
    """A scorer needs a column that the batch does not carry."""


class ReadingError(BatchError):
    """A value recorded at one step is not what a scorer can compute with.

    Attributes:
        episode: index of the episode within its batch.
        problem: what is wrong, a sentence with a ``{where}`` for the step and its episode.
        step: index of the step within the episode.
    """

    def __init__(self, problem: str, *, episode: int, step: int, episode_id: str = "") -> None:
        self.problem, self.episode, self.step = problem, episode, step
        whose = f"episode {episode_id!r}" if episode_id else f"episode {episode} of the batch"
        super().__init__(problem.replace("{where}", f"step {step} of {whose}"))

    def named(self, episode_id: str) -> ReadingError:
        """Return the same error with the episode's own id."""
        return ReadingError(self.problem, episode=self.episode, step=self.step, episode_id=episode_id)


class OptionError(CreditGymError, ValueError):
    """An option of a scorer is not what its signature declares."""


class UnknownNameError(CreditGymError, LookupError):
    """A scorer, agent, trainer or task of that name does not exist."""


class MissingExtraError(CreditGymError, ImportError):
    """An optional dependency is not installed."""


class ManifestError(CreditGymError, ValueError):
    """A task manifest or game file is malformed."""


class StoreError(CreditGymError, OSError):
    """The store cannot be opened, read or written."""


class ForeignTextError(CreditGymError, ValueError):
    """Text from outside is malformed, too deep or too large; the message ends a sentence that names where it lies."""


class NothingToWriteError(CreditGymError, ValueError):
    """An export would be empty: no turn meets what the format asks for."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error for an unknown name, with the nearest known ones."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
    return UnknownNameError(f"There is no {kind} called {name!r}; {hint}")


def missing_extra(module: str, extra: str) -> MissingExtraError:
    """Return the error for a missing optional dependency."""
    return MissingExtraError(f'{module} is not installed: pip install "credit-gym[{extra}]".')


class BackendError(CreditGymError):
    """A language model could not answer: its server, its network, its context length; the sentence says which."""


class BudgetError(CreditGymError):
    """A cap on cost or tokens would be exceeded by the next request, which was not sent."""
