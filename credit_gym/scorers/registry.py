"""The registry of credit scorers: name -> function, needs, scope and source."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, TypeVar, cast

import numpy as np

from credit_gym.data.batch import COLUMN_NAMES, EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import BatchError, MissingColumnError, ReadingError, unknown
from credit_gym.scorers import signatures
from credit_gym.scorers.signatures import Option

DEFAULT = "evidence_lambda"
"""The scorer of whoever names none."""

Scope = Literal["episode", "group", "batch"]
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
        scope: what an episode's credit depends on: that "episode" alone, its "group", or the whole "batch".
        reference: authors, year and identifier of the source.
        stand_in: True for a tabular stand-in of a method that was published with a learned model ("-like").
        needs_by: what it needs, of its options by name; None where ``needs`` says it whatever the options are.
    """

    name: str
    function: Scorer
    needs: frozenset[str]
    scope: Scope
    reference: str
    stand_in: bool
    needs_by: Callable[..., Iterable[str]] | None = None

    def needs_with(self, options: Mapping[str, Any]) -> frozenset[str]:
        """Return the columns that it needs with some options, which are checked to go together."""
        if self.needs_by is None:
            return self.needs
        defaults = {name: option.default for name, option in self.options.items()}
        return frozenset(self.needs_by(**{name: options.get(name, default) for name, default in defaults.items()}))

    @property
    def label(self) -> str:
        """Name for tables: stand-ins carry the suffix "-like"."""
        return f"{self.name}-like" if self.stand_in else self.name

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    @property
    def options(self) -> Mapping[str, Option]:
        """Its options by name, as its signature declares them."""
        return signatures.declared(cast("Callable[..., FloatArray]", self.function))


_SPECS: dict[str, ScorerSpec] = {}
_PLUGINS_LOADED = False


def register(
    name: str,
    *,
    needs: Iterable[str] = (),
    scope: Scope = "group",
    reference: str = "",
    stand_in: bool = False,
    needs_by: Callable[..., Iterable[str]] | None = None,
) -> Callable[[F], F]:
    """Register a scorer under a name; from then on its options are checked at every call against its signature.

    Args:
        name: unique name.
        needs: optional columns of :class:`EpisodeBatch` that must be present.
        scope: "episode", "group" or "batch".
        reference: the source.
        stand_in: whether this is a tabular stand-in of a published learned method.
        needs_by: where the needs hang on options, a function of all of them by name that returns the needs, or raises
            where options do not go together; ``needs`` are then those of the defaults.

    Raises:
        ValueError: the name is taken, or a need is not a column.
    """
    missing = set(needs) - COLUMN_NAMES
    if missing:
        raise ValueError(f"Scorer {name!r} needs {sorted(missing)}, which an EpisodeBatch does not have.")

    def add(function: F) -> F:
        if name in _SPECS:
            raise ValueError(f"A scorer called {name!r} is already registered.")

        @wraps(function)
        def checked(batch: EpisodeBatch, /, **options: Any) -> FloatArray:
            return function(batch, **signatures.check_options(name, function, options))

        _SPECS[name] = ScorerSpec(name, checked, frozenset(needs), scope, reference, stand_in, needs_by)
        return cast("F", checked)

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


def check_options(name: str, options: Mapping[str, Any], *, key: bool = False) -> dict[str, Any]:
    """Return the options of a scorer, each a plain value of the type that its signature declares.

    Args:
        name: a registered scorer.
        options: its keyword options.
        key: whether ``key``, what states are pooled by, counts among the options.

    Raises:
        UnknownNameError: there is no such scorer, no such option, or no such choice.
        OptionError: a value is not of the option's type, or outside its range.
    """
    spec = get(name)
    checked = signatures.check_options(name, spec.function, options, key=key)
    spec.needs_with(checked)
    return checked


def read_options(name: str, options: Mapping[str, Any], *, key: bool = False) -> dict[str, Any]:
    """Return the options of a scorer, those that came as text (a command line, YAML) read as their type says.

    Args:
        name: a registered scorer.
        options: texts or values by name.
        key: whether ``key``, what states are pooled by, counts among the options.

    Raises:
        UnknownNameError: there is no such scorer, no such option, or no such choice.
        OptionError: a value cannot be read as the option's type, or is outside its range.
    """
    spec = get(name)
    read = signatures.read_options(name, spec.function, options, key=key)
    spec.needs_with(read)
    return read


def score(batch: EpisodeBatch, name: str = DEFAULT, **options: Any) -> FloatArray:
    """Credit every step of a batch.

    Args:
        batch: the episodes.
        name: a registered scorer.
        options: the scorer's keyword options.

    Returns:
        (S,) float64, finite.

    Raises:
        UnknownNameError: no scorer has that name, it has no such option, or the option no such choice.
        OptionError: an option is not what the scorer's signature declares.
        MissingColumnError: the batch lacks a column that the scorer needs.
        ReadingError: a credit is too large for a float64, or a value at some step cannot be computed with.
        BatchError: the scorer returned something other than one number per step.
    """
    if isinstance(batch, Sequence):
        raise BatchError("Give an EpisodeBatch: EpisodeBatch.from_episodes(episodes) makes one.")
    spec = get(name)
    options = signatures.check_options(name, spec.function, options)  # before a column that may be missing
    for column in sorted(spec.needs_with(options)):
        try:
            batch.require(column)
        except MissingColumnError as error:
            raise MissingColumnError(
                f"{name} needs a column that is not there. {error} `credit-gym advise RUN` names a scorer that does "
                "without."
            ) from None
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit a float64 is said below
        credit = np.asarray(spec.function(batch, **options), dtype=np.float64)
    if credit.shape != (batch.num_steps,):
        raise BatchError(f"Scorer {name!r} did not return one finite credit per step.")
    wrong = np.flatnonzero(~np.isfinite(credit))
    if wrong.size:
        at = int(wrong[0])
        raise ReadingError(
            f"Scorer {name!r} has no finite credit for {{where}}: its rewards, readings or options are too large to be "
            "computed with; scale them down.",
            episode=int(batch.episode[at]),
            step=int(batch.step[at]),
        )
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
