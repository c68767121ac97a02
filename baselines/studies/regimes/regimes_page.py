"""The map as tables, a figure and a page: what every scorer needs, and how far the default is from the best."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from credit_gym.baselines.protocol.scorer_rows import display
from credit_gym.baselines.studies.regimes.race import EXACT_ROW
from credit_gym.baselines.studies.regimes.regime import Regime
from credit_gym.baselines.studies.regimes.regimes_study import ITERATIONS, RIVALS
from credit_gym.data.grouping import FloatArray
from credit_gym.metrics.statistics import Estimate, bootstrap_ratio
from credit_gym.report import Table, to_markdown
from credit_gym.report.plots import plot_ratios, save
from credit_gym.scorers import DEFAULT

OUTCOME = "grpo"
_TOLD = 0.2  # share of groups with both outcomes from which on outcomes say enough to compare scorers by


def map_tables(found: Mapping[str, Any]) -> list[Table]:
    """Return the default's table and one table an axis.

    Args:
        found: what the study wrote: ``axes`` and ``points``.
    """
    tables = [_axis(axis, records) for axis, records in _by_axis(found)]
    shown = [record for record in found["points"] if {DEFAULT, OUTCOME} <= record["scorers"].keys()]
    return [_at_worst(shown), _default(shown), *tables] if shown else tables


def write_page(found: Mapping[str, Any], page: Path, *, minutes: float) -> None:
    """Write the page under ``docs/`` and its figure beside it.

    Args:
        found: what the study wrote.
        page: the Markdown file.
        minutes: CPU time that the study took.
    """
    figure = page.with_suffix(".png")
    records = [record for record in _once(found["points"]) if OUTCOME in record["scorers"]]
    names = list(dict.fromkeys(name for record in records for name in record["scorers"]))
    ratios = {record["regime"]["name"]: [_ratio(record, name, OUTCOME).value for name in names] for record in records}
    label = "episodes needed / those that GRPO needs"
    save(plot_ratios(ratios, [display(name) for name in names], label=label), figure)
    head = _HEAD.format(seeds=found["seeds"], pilots=found["pilots"], minutes=minutes, figure=figure.name)
    sections = (f"\n## {each.title}\n\n{to_markdown(Table('', each.columns, each.rows))}" for each in map_tables(found))
    page.write_text(head + "".join(sections), encoding="utf-8")


def _at_worst(records: Sequence[Mapping[str, Any]]) -> Table:
    """Where the default needs the most episodes, against GRPO and against the best rival."""
    told = [record for record in records if mixed_share(Regime.parse(record["regime"])) >= _TOLD]
    asked = (
        (f"{OUTCOME}, all points", records, (OUTCOME,)),
        (f"the best rival, points where {_TOLD:.0%} of the groups have both outcomes", told, RIVALS),
    )
    rows = []
    for against, among, rivals in asked:
        ratios = {r["regime"]["name"]: _ratio(r, DEFAULT, _best(r, rivals)) for r in among}
        if ratios:
            name = max(ratios, key=lambda name: ratios[name].value)
            rows.append((against, len(ratios), name, f"{ratios[name]:.2f}"))
    return Table("The default at its worst", ("against", "points", "worst at", "episodes needed / those"), tuple(rows))


def _default(records: Sequence[Mapping[str, Any]]) -> Table:
    """The default scorer against GRPO and the best rival at every point."""
    rows = []
    for record in _once(records):
        best = _best(record, RIVALS)
        mixed = mixed_share(Regime.parse(record["regime"]))
        rows.append(
            (
                record["regime"]["name"],
                f"{mixed:.0%}",
                _count(record, EXACT_ROW),
                _count(record, DEFAULT),
                _count(record, OUTCOME),
                f"{_ratio(record, DEFAULT, OUTCOME):.2f}",
                display(best),
                f"{_ratio(record, DEFAULT, best):.2f}",
            )
        )
    columns = ("point", "mixed groups", "exact", "default", "grpo", "default / grpo", "best rival", "default / best")
    return Table(
        f"The default, {DEFAULT}: episodes a task, and ratios [95 % interval over seeds]", columns, tuple(rows)
    )


def _axis(axis: str, records: Sequence[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for record in records for name in record["scorers"]))
    rows = tuple((display(name), *(_count(record, name) for record in records)) for name in names)
    return Table(
        f"Episodes a task until 0.8 of the ceiling, by {axis}",
        ("scorer", *(record["regime"]["name"] for record in records)),
        rows,
    )


def mixed_share(regime: Regime) -> float:
    """Probability that a group of the behaviour has both outcomes."""
    return 1.0 - regime.success**regime.group_size - (1.0 - regime.success) ** regime.group_size


def _by_axis(found: Mapping[str, Any]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    records = iter(found["points"])
    for axis, names in found["axes"].items():
        yield axis, [next(records) for _ in names]


def _once(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The points, those that are the same regime under another name left out."""
    kept: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for record in records:
        kept.setdefault(tuple(value for name, value in record["regime"].items() if name != "name"), record)
    return list(kept.values())


def _best(record: Mapping[str, Any], rivals: Sequence[str]) -> str:
    raced = [name for name in rivals if name in record["scorers"]]
    return min(raced, key=lambda name: float(_episodes(record, name).mean()))


def _episodes(record: Mapping[str, Any], name: str) -> FloatArray:
    """Episodes on each seed; one that did not get there counts twice what was played."""
    never = 2.0 * ITERATIONS * record["regime"]["group_size"]
    listed = record["scorers"][name]["episodes"]
    return np.array([never if value is None else value for value in listed], dtype=np.float64)


def _ratio(record: Mapping[str, Any], name: str, other: str) -> Estimate:
    if name not in record["scorers"]:
        return Estimate(math.nan, math.nan, math.nan)
    return bootstrap_ratio(_episodes(record, name), _episodes(record, other))


def _count(record: Mapping[str, Any], name: str) -> str | None:
    if name not in record["scorers"]:
        return None
    lost = sum(value is None for value in record["scorers"][name]["episodes"])
    mean = f"{_episodes(record, name).mean():.0f}"
    return f"{mean} ({lost} never)" if lost else mean


_HEAD = """# When does per-step credit pay?

A map of exact regimes: episodes a task until the policy has 0.8 of the success that any policy can have. Made by

    python -m credit_gym.baselines.studies.regimes --seeds {seeds} --pilots {pilots} --markdown docs/regimes.md

in {minutes:.0f} minutes of CPU time. `--points FILE` races at points of your own: a YAML list of mappings with the
attributes of `baselines/studies/regimes/regime.py`.

A task is a climb of some floors. On each floor one action leads up, two do nothing, and some points add an action that
ends the episode, one that leads down, a detour, or two stairways of which one is locked at the top. The behaviour at
the start solves each task with the point's success. Unless a point says otherwise there are 8 floors, 16 steps, a
success of 0.1, 8 tasks with groups of 8, states that recur, and no verifier.

Every scorer trains the same softmax policies with the same luck: one policy-gradient step a batch, its size tuned for
each scorer on other seeds (the least of eight that comes within a standard error of the fastest, or within a tenth),
and scaled back where it would move the policy by more than 0.2 nats a visit. Success is exact. *exact* is the advantage
of the policy as it stands: a ceiling. A learner that does not get there in 40 updates counts as 80; *never* says how
many seeds did not. Where states do not recur, it is the scorers that cannot tell them; the policy always knows where it
is.

![Episodes needed against those of GRPO]({figure})
"""
