"""The registry of credit scorers: name -> function, needs, scope and source."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from credit_gym.data.batch import COLUMN_NAMES, EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import BatchError, unknown

Scope = Literal["episode", "group"]
F = TypeVar("F", bound=Callable[..., FloatArray])


class Scorer(Protocol):
    """A pure function of a batch: one finite credit per step, (S,) float64."""

    def __call__(self, batch: EpisodeBatch, /, **options: Any) -> FloatArray:
        """Return the credit of every step."""
        ...


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """What the registry knows about a scorer.

    Attributes:
        name: its name in tables and commands.
        function: the scorer.
        needs: optional batch columns that it cannot do without.
        scope: "episode" if an episode's credit depends on that episode alone, else "group".
        reference: authors, year and identifier of the source.
        stand_in: True for a tabular stand-in of a method that was published with a learned model ("-like").
    """

    name: str
    function: Scorer
    needs: frozenset[str]
    scope: Scope
    reference: str
    stand_in: bool

    @property
    def label(self) -> str:
        """Name for tables: stand-ins carry the suffix "-like"."""
        return f"{self.name}-like" if self.stand_in else self.name

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


_SPECS: dict[str, ScorerSpec] = {}
_PLUGINS_LOADED = False


def register(
    name: str,
    *,
    needs: Iterable[str] = (),
    scope: Scope = "group",
    reference: str = "",
    stand_in: bool = False,
) -> Callable[[F], F]:
    """Register a scorer under a name.

    Args:
        name: unique name.
        needs: optional columns of :class:`EpisodeBatch` that must be present.
        scope: "episode" or "group".
        reference: the source.
        stand_in: whether this is a tabular stand-in of a published learned method.

    Raises:
        ValueError: the name is taken, or a need is not a column.
    """
    missing = set(needs) - COLUMN_NAMES
    if missing:
        raise ValueError(f"Scorer {name!r} needs {sorted(missing)}, which an EpisodeBatch does not have.")

    def add(function: F) -> F:
        if name in _SPECS:
            raise ValueError(f"A scorer called {name!r} is already registered.")
        _SPECS[name] = ScorerSpec(name, function, frozenset(needs), scope, reference, stand_in)
        return function

    return add


def get(name: str) -> ScorerSpec:
    """Return a scorer's spec.

    Raises:
        UnknownNameError: no scorer has that name.
    """
    if name not in _SPECS:
        _load_plugins()
    if name not in _SPECS:
        raise unknown("scorer", name, _SPECS)
    return _SPECS[name]


def names() -> list[str]:
    """Return the sorted names of all scorers, third-party ones included."""
    _load_plugins()
    return sorted(_SPECS)


def score(batch: EpisodeBatch, name: str, **options: Any) -> FloatArray:
    """Credit every step of a batch.

    Args:
        batch: the episodes.
        name: a registered scorer.
        options: the scorer's keyword options.

    Returns:
        (S,) float64, finite.

    Raises:
        UnknownNameError: no scorer has that name.
        MissingColumnError: the batch lacks a column that the scorer needs.
        BatchError: the scorer returned something other than one finite number per step.
    """
    spec = get(name)
    for column in sorted(spec.needs):
        batch.require(column)
    credit = np.asarray(spec.function(batch, **options), dtype=np.float64)
    if credit.shape != (batch.num_steps,) or not np.isfinite(credit).all():
        raise BatchError(f"Scorer {name!r} did not return one finite credit per step.")
    return credit


def _load_plugins() -> None:
    """Import the scorers of other packages (entry-point group ``credit_gym.scorers``), once."""
    global _PLUGINS_LOADED
    if not _PLUGINS_LOADED:
        _PLUGINS_LOADED = True
        for entry_point in entry_points(group="credit_gym.scorers"):
            try:
                entry_point.load()
            except Exception as error:  # noqa: BLE001 (a broken plug-in must not take the other scorers with it)
                warnings.warn(f"The scorer plug-in {entry_point.name!r} could not be loaded: {error}", stacklevel=3)
