"""What holds for every registered scorer, whatever its method."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import lru_cache
from importlib import import_module
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from builders.batches import NAN, OPTIONAL, Run, batch_of, batches
from hypothesis import HealthCheck, Phase, given, settings

from credit_gym import scorers
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import MissingColumnError

NAMES = scorers.names()
ORDER_DEPENDENT = {"random"}
ID_COLUMNS = ("state", "next_state", "action", "group", "task", "role")

every_scorer = pytest.mark.parametrize("name", NAMES)
every_equivariant_scorer = pytest.mark.parametrize("name", [n for n in NAMES if n not in ORDER_DEPENDENT])


@lru_cache(maxsize=64)
def drawn(needs: frozenset[str], examples: int = 12) -> tuple[EpisodeBatch, ...]:
    """Legal batches that hold some columns, the same ones at every call: they are drawn once for all who need these."""
    found: list[EpisodeBatch] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(batch=batches(require=needs))
    def keep(batch: EpisodeBatch) -> None:
        found.append(batch)

    keep()
    return tuple(found)


def legal_batches(name: str) -> Iterator[tuple[EpisodeBatch, np.random.Generator]]:
    """Batches that a scorer can read, each with a generator for what a test draws beside it."""
    for number, batch in enumerate(drawn(frozenset(scorers.get(name).needs))):
        yield batch, np.random.default_rng(number)


def assert_same_credit(batch: EpisodeBatch, actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to rounding, which is relative to the largest reward in the batch."""
    scale = max(1.0, float(np.abs(batch.reward).max(initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7 * scale)


def steps_of(batch: EpisodeBatch, episodes: list[int]) -> np.ndarray:
    parts = [np.arange(batch.offsets[e], batch.offsets[e + 1]) for e in episodes]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


@every_scorer
def test_credit_is_one_finite_number_per_step(name: str) -> None:
    for batch, _ in legal_batches(name):
        credit = scorers.get(name).function(batch)
        assert credit.shape == (batch.num_steps,)
        assert credit.dtype == np.float64
        assert np.isfinite(credit).all()


@every_scorer
def test_scoring_is_pure(name: str) -> None:
    for batch, _ in legal_batches(name):
        before = {f.name: np.array(getattr(batch, f.name)) for f in fields(batch)}
        first = scorers.score(batch, name)
        kept = first.copy()
        second = scorers.score(batch, name)
        np.testing.assert_array_equal(kept, second)
        for column, value in before.items():
            np.testing.assert_array_equal(np.array(getattr(batch, column)), value)
        assert not any(np.shares_memory(first, c) for c in vars(batch).values() if isinstance(c, np.ndarray))


@every_equivariant_scorer
def test_reordering_the_episodes_reorders_the_credit(name: str) -> None:
    for batch, chance in legal_batches(name):
        order = chance.permutation(batch.num_episodes).tolist()
        reordered = scorers.score(batch.select(order), name)
        assert_same_credit(batch, reordered, scorers.score(batch, name)[steps_of(batch, order)])


@every_scorer
def test_renaming_states_actions_and_groups_changes_nothing(name: str) -> None:
    for batch, chance in legal_batches(name):
        names = chance.permutation(range(0, 24, 3))
        renamed = {c: names[getattr(batch, c)] for c in ID_COLUMNS if getattr(batch, c) is not None}
        assert_same_credit(batch, scorers.score(replace(batch, **renamed), name), scorers.score(batch, name))


@every_equivariant_scorer
def test_what_lies_outside_a_scorers_scope_changes_nothing(name: str) -> None:
    for batch, _ in legal_batches(name):
        credit = scorers.score(batch, name)
        owners = {"episode": np.arange(batch.num_episodes), "group": batch.group, "batch": np.zeros_like(batch.group)}
        owner = owners[scorers.get(name).scope]
        for one in np.unique(owner):
            episodes = np.flatnonzero(owner == one)
            try:
                separate = scorers.score(batch.select(episodes), name)
            except MissingColumnError:  # these episodes hold none of the batch's readings
                continue
            assert_same_credit(batch, separate, credit[steps_of(batch, list(episodes))])


def lone_episode(success: bool, truncated: bool, length: int) -> EpisodeBatch:
    """One episode with every optional column."""
    run = Run(path=[0] * (length + 1), actions=[0] * length, success=success, truncated=truncated, group=3)
    offsets = np.arange(length + 1)
    sizes = {c: length + (c == "value" or c.endswith("log_belief")) for c in OPTIONAL}
    sizes["exact_verifier"] = 1  # one an episode
    kinds = {"role": np.int64, "parent": np.int64, "segment": np.int64, "invalid": bool, "exact_verifier": bool}
    columns = {c: np.zeros(size, dtype=kinds.get(c, float)) for c, size in sizes.items()}
    return batch_of([run], logprob_offsets=offsets, **columns)


LONE = {case: lone_episode(*case) for case in product((True, False), (True, False), (0, 1, 4))}


@every_scorer
def test_one_episode_is_enough(name: str) -> None:
    for (success, truncated, length), batch in LONE.items():
        credit = scorers.score(batch, name)
        assert credit.shape == (length,), f"{success=} {truncated=} {length=}"


@every_scorer
def test_a_missing_column_is_named(name: str) -> None:
    batch = batch_of([Run(path=[0, 1], actions=[0])])
    if needs := scorers.get(name).needs:
        with pytest.raises(MissingColumnError, match="|".join(sorted(needs))):
            scorers.score(batch, name)


@every_scorer
def test_the_registry_documents_the_scorer(name: str) -> None:
    spec = scorers.get(name)
    assert spec.summary.endswith((".", ":"))
    assert spec.reference
    assert "Returns:" in (spec.function.__doc__ or "")


IMPORTS = [
    (path, node)
    for path in sorted(Path(scorers.__file__).parent.glob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Import | ast.ImportFrom)
]


def test_scorers_see_nothing_but_the_batch() -> None:
    allowed = tuple(f"credit_gym.{name}" for name in ("data", "errors", "estimation", "rng", "scorers"))
    for path, node in IMPORTS:
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        for module in modules:
            assert module.startswith(allowed) or not module.startswith("credit_gym"), f"{path.name} imports {module}"


FOR_ALL = ("registry", "explanation")  # where scorers and what they are made of are entered


def test_a_scorer_takes_from_another_nothing_but_what_is_registered() -> None:
    """What two scorers share lies in ``credit_gym.estimation``."""
    registered = {scorers.get(name).function for name in NAMES}
    for path, node in IMPORTS:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("credit_gym.scorers."):
            if path.stem in ("__init__", *FOR_ALL) or node.module.rpartition(".")[2] in FOR_ALL:
                continue
            for alias in node.names:
                assert getattr(import_module(node.module), alias.name) in registered, f"{path.name}: {alias.name}"


def mean_table(batch: EpisodeBatch, credit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean credit of each (state, action), and which were seen."""
    shape = (8, 4)
    cell = batch.state * shape[1] + batch.action
    count = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    total = np.bincount(cell, weights=credit, minlength=shape[0] * shape[1]).reshape(shape)
    return np.where(count > 0, total / np.maximum(count, 1), -np.inf), count > 0


@pytest.mark.parametrize("name", ["grpo", "rloo", "salt"])
def test_outcome_methods_share_their_greedy_table(name: str) -> None:
    """With one group per task, standardising the return is a positive affine map of every table row."""
    for batch in drawn(frozenset({"verifier"}), 100):
        one_group = replace(batch, group=np.zeros_like(batch.group), task=np.zeros_like(batch.task))
        outcome, seen = mean_table(one_group, scorers.score(one_group, "outcome_only"))
        table, _ = mean_table(one_group, scorers.score(one_group, name))
        scale = max(1.0, float(np.abs(outcome[seen]).max(initial=0.0)))
        best = seen & (outcome >= outcome.max(axis=1, keepdims=True) - 1e-9 * scale)
        top = np.broadcast_to(table.max(axis=1, keepdims=True), table.shape)
        np.testing.assert_allclose(table[best], top[best], atol=1e-6 * scale)


def test_an_all_nan_column_counts_as_missing() -> None:
    batch = batch_of([Run(path=[0, 1], actions=[0])], verifier=[NAN])
    with pytest.raises(MissingColumnError, match="RecordVerifier"):
        scorers.score(batch, "mt_grpo")
