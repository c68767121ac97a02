"""Advice on a run: what was found, what to use, what it should save, what to beware of; as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pkgutil import resolve_name
from typing import Any, Literal, NamedTuple, TypeAlias

from credit_gym.credit.run_facts import RunFacts
from credit_gym.data.keys import Recurrence
from credit_gym.metrics.statistics import Estimate

CautionKind: TypeAlias = Literal[
    "one group",
    "groups of one",
    "unlike tasks",
    "left out",
    "single steps",
    "no outcome evidence",
    "nothing recurs",
    "blind states",
    "silent verifier",
    "misleading verifier",
    "uninformative verifier",
    "unproven verifier",
    "far from the map",
]


_SHOWN = "credit_gym.report.notebook:advice_html"


class Caution(NamedTuple):
    """What to beware of: its kind, and a sentence that says what to do."""

    kind: CautionKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Advice on one run; ``str`` writes it down in about ten lines, a notebook shows them as a table.

    Attributes:
        scorer: the scorer to use.
        options: its options; ``key`` is among them where that is not ``state``.
        facts: what decides, with the states that this key tells apart.
        keys: how often states recur under every key that can be had; empty for a batch, which has its own states only.
        expected: episodes that the scorer needs for each that GRPO needs, at the nearest points of the map, with a 95 %
            interval over them and their seeds; None where nothing can be learned from the run as it stands.
        ceiling: the same of the exact advantage, which no scorer can have.
        points: names of those points, nearest first; none where episodes have one step, which cannot be divided.
        distance: of the first, in the units of :mod:`credit_gym.credit.regime_map`; NaN without any.
        reasons: why, a sentence each.
        cautions: what to beware of.
    """

    scorer: str
    options: Mapping[str, Any]
    facts: RunFacts
    keys: tuple[Recurrence, ...]
    expected: Estimate | None
    ceiling: Estimate | None
    points: tuple[str, ...]
    distance: float
    reasons: tuple[str, ...]
    cautions: tuple[Caution, ...]

    def __str__(self) -> str:
        return "\n".join(f"{head:<11} {text}" for head, text in self.said())

    def _repr_html_(self) -> str:
        shown: str = resolve_name(_SHOWN)(self)
        return shown

    def said(self) -> list[tuple[str, str]]:
        """Return it line by line: what a line is about, and the line."""
        options = "".join(f" --option {name}={value}" for name, value in self.options.items())
        return [
            ("episodes", _episodes(self.facts)),
            ("outcomes", _outcomes(self.facts)),
            ("recurrence", _recurrence(self)),
            ("verifier", _verifier(self.facts)),
            ("recorded", _recorded(self.facts)),
            ("use", f"--scorer {self.scorer}{options}"),
            ("expect", _expected(self)),
            *(("because", reason) for reason in self.reasons),
            *(("beware", f"{caution.kind}: {caution.text}") for caution in self.cautions),
        ]

    def as_mapping(self) -> dict[str, Any]:
        """Return it as JSON has it: mappings, lists and numbers, null for what is not known."""
        mapping: dict[str, Any] = _plain(self)
        return mapping


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _episodes(facts: RunFacts) -> str:
    return (
        f"{facts.episodes} in {facts.groups} groups of {facts.group_size:g} (median); "
        f"{facts.steps:g} steps (median), {facts.most_steps:g} at the 95th percentile"
    )


def _outcomes(facts: RunFacts) -> str:
    graded = f", mean return {facts.mean_return:.3g}" if facts.graded else ""
    return f"{facts.success:.0%} solved{graded}; {facts.mixed:.0%} of the groups have better and worse ones"


def _recurrence(advice: Advice) -> str:
    if not advice.keys:
        return f"{advice.facts.recurrence:.0%} of the steps after the first are where others were"
    shares = ", ".join(f"{found.key} {found.later:.0%}" for found in advice.keys)
    return f"steps after the first that are where others were, by key: {shares}"


def _verifier(facts: RunFacts) -> str:
    if facts.density is None:
        return "none"
    agreement = f"{facts.agreement:.2f}" if facts.agreement else "unknown"
    declared = "; declared exact" if facts.exact else ""
    return f"speaks at {facts.density:.0%} of the steps; agreement with outcomes within groups {agreement}{declared}"


def _recorded(facts: RunFacts) -> str:
    there = {"log-probabilities of tokens": facts.log_probabilities, "beliefs": facts.beliefs}
    return ", ".join(f"{name}: {'yes' if recorded else 'no'}" for name, recorded in there.items())


def _expected(advice: Advice) -> str:
    if advice.expected is None:
        return "nothing: as the run stands there is nothing to learn from"
    ceiling = f" (a perfect credit: {advice.ceiling.value:.2f})" if advice.ceiling else ""
    places = f", as at {'; '.join(advice.points)}" if advice.points else ""
    return f"{advice.expected:.2f} of the episodes that grpo needs{ceiling}{places}"
