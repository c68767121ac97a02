"""Scorers that carry outcomes back through a tree: vectors worked by hand, published procedures, and limits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from builders.batches import Run, batch_of, batches
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.data.batch import EpisodeBatch
from credit_gym.scorers import score

quick = settings(max_examples=40, deadline=None, derandomize=True)

# Two plays at the root. The left one leads to a single leaf with R = 1; the right one to three with R = 0, 0, 1.
LOPSIDED = [[1.0], [0.0, 0.0, 1.0]]


@dataclass
class Node:
    """A node as published trees have them: what was played to get here, and what came of it."""

    children: list[Node] = field(default_factory=list)
    outcome: float | None = None
    value: float = 0.0
    parent: Node | None = None

    def leaves(self) -> list[Node]:
        return [self] if not self.children else [leaf for child in self.children for leaf in child.leaves()]

    def path(self) -> list[Node]:
        return [] if self.parent is None else [*self.parent.path(), self]


def grown(shape: Any, parent: Node | None = None) -> Node:
    """Nested lists of outcomes as nodes."""
    node = Node(parent=parent, outcome=None if isinstance(shape, list) else float(shape))
    node.children = [grown(each, node) for each in shape] if isinstance(shape, list) else []
    return node


def batch_of_trees(*roots: Node) -> EpisodeBatch:
    """One tree a group, leaves from left to right; only the last step of an episode is rewarded."""
    runs, parent = [], []
    for group, root in enumerate(roots):
        points = {id(root): -1}
        for leaf in root.leaves():
            path = leaf.path()
            rewards = [0.0] * (len(path) - 1) + [leaf.outcome or 0.0]
            runs.append(Run([0] * (len(path) + 1), [0] * len(path), group=group, rewards=rewards))
            parent += [points.setdefault(id(node.parent), len(points) - 1) for node in path]
    return batch_of(runs, parent=parent)


def steps_of(root: Node) -> list[Node]:
    """The node that each row of the batch led to."""
    return [node for leaf in root.leaves() for node in leaf.path()]


outcomes = st.sampled_from((0.0, 0.25, 0.5, 1.0))
shapes = st.recursive(outcomes, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=9)
trees = st.lists(shapes, min_size=1, max_size=3).map(grown)


def rows(batch: EpisodeBatch, credit: np.ndarray) -> list[list[float]]:
    return [row.tolist() for row in np.split(credit, batch.offsets[1:-1])]


def test_tempo_is_grpo_and_the_change_of_value_at_every_branch() -> None:
    """mean R = 1/2. V(left) = 1, V(right) = 1/3, V(root) = 1/2. The left point has one play only: no difference."""
    batch = batch_of_trees(grown(LOPSIDED))
    expected = [
        [1 / 2 + (1 - 1 / 2), 1 / 2],
        [-1 / 2 + (1 / 3 - 1 / 2), -1 / 2 + (0 - 1 / 3)],
        [-1 / 2 + (1 / 3 - 1 / 2), -1 / 2 + (0 - 1 / 3)],
        [1 / 2 + (1 / 3 - 1 / 2), 1 / 2 + (1 - 1 / 3)],
    ]
    np.testing.assert_allclose(rows(batch, score(batch, "tempo", scale=False)), expected, atol=1e-12)
    # sd R = 1/2, and it divides both terms
    np.testing.assert_allclose(rows(batch, score(batch, "tempo")), 2 * np.array(expected), atol=1e-12)
    half = rows(batch, score(batch, "tempo", weight=0.5, scale=False))
    np.testing.assert_allclose(half[0], [1 / 2 + 1 / 4, 1 / 2], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "expected"),
    [  # z = R - 1/2. The root is worth (1/2 - 1/6) / 2 = 1/6 by plays, and 0 by its four leaves.
        ({}, [[1 / 2, 1 / 2], [-1 / 6, -1 / 2], [-1 / 6, -1 / 2], [-1 / 6, 1 / 2]]),
        ({"against": "parent"}, [[1 / 3, 0], [-1 / 3, -1 / 3], [-1 / 3, -1 / 3], [-1 / 3, 2 / 3]]),
        ({"against": "root"}, [[1 / 3, 1 / 3], [-1 / 3, -2 / 3], [-1 / 3, -2 / 3], [-1 / 3, 1 / 3]]),
        ({"against": "both"}, [[2 / 3, 1 / 3], [-2 / 3, -1], [-2 / 3, -1], [-2 / 3, 1]]),
        (
            {"backup": "leaves", "against": "parent"},
            [[1 / 2, 0], [-1 / 6, -1 / 3], [-1 / 6, -1 / 3], [-1 / 6, 2 / 3]],
        ),
    ],
    ids=str,
)
def test_at2po_takes_the_value_that_a_step_led_to(options: dict[str, str], expected: list[list[float]]) -> None:
    batch = batch_of_trees(grown(LOPSIDED))
    np.testing.assert_allclose(rows(batch, score(batch, "at2po", scale=False, **options)), expected, atol=1e-12)
    np.testing.assert_allclose(rows(batch, score(batch, "at2po", **options)), 2 * np.array(expected), atol=1e-12)


def test_tree_grpo_adds_the_standing_in_the_tree_to_that_in_the_group() -> None:
    """All: mean 1/2, sd 1/2. Right tree: mean 1/3, sd sqrt(2)/3. The left tree is one leaf, so that it says nothing."""
    batch = batch_of_trees(grown(LOPSIDED))
    low, high = -1.0 - 1 / np.sqrt(2), 1.0 + np.sqrt(2)
    np.testing.assert_allclose(
        rows(batch, score(batch, "tree_grpo")), [[1.0] * 2, [low] * 2, [low] * 2, [high] * 2], atol=1e-12
    )
    # published: sample deviations sqrt(1/3) of both, plus 1e-6, and a lone leaf keeps its R = 1
    upstream = rows(batch, score(batch, "tree_grpo", mode="upstream"))
    sd = np.sqrt(1 / 3) + 1e-6
    np.testing.assert_allclose(upstream[0], [1.0 + 0.5 / sd] * 2, rtol=1e-12)
    np.testing.assert_allclose(upstream[3], [(2 / 3) / sd + 0.5 / sd] * 2, rtol=1e-12)


def published_values(root: Node, backup: str) -> None:
    """Leaf outcomes standardised in the tree, then carried up: the mean over children, or over leaves."""
    ends = root.leaves()
    scores = np.array([leaf.outcome for leaf in ends])
    for leaf, z in zip(ends, (scores - scores.mean()) / (scores.std() + 1e-6), strict=True):
        leaf.value = float(z)

    def carry(node: Node) -> float:
        if node.children:
            below = [carry(child) for child in node.children]
            node.value = float(np.mean(below if backup == "plays" else [leaf.value for leaf in node.leaves()]))
        return node.value

    carry(root)


@quick
@given(root=trees, weight=st.sampled_from((0.0, 0.5, 2.0)))
def test_tempo_is_the_published_formula(root: Node, weight: float) -> None:
    """The leaf's standing, and at branches the change of V, the mean outcome of the leaves below."""

    def value(node: Node) -> float:
        return float(np.mean([leaf.outcome or 0.0 for leaf in node.leaves()]))

    mean = value(root)
    expected = [
        (leaf.outcome or 0.0) - mean + weight * (len(node.parent.children) > 1) * (value(node) - value(node.parent))
        for leaf in root.leaves()
        for node in leaf.path()
        if node.parent
    ]
    found = score(batch_of_trees(root), "tempo", weight=weight, scale=False)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("backup", ["plays", "leaves"])
@pytest.mark.parametrize("against", ["nothing", "parent", "root", "both"])
@quick
@given(root=trees)
def test_upstream_at2po_is_the_published_procedure(backup: str, against: str, root: Node) -> None:
    published_values(root, backup)
    local = np.array([node.value - node.parent.value for node in steps_of(root) if node.parent])
    wide = np.array([node.value - root.value for node in steps_of(root)])
    plain = np.array([node.value for node in steps_of(root)])
    expected = {"nothing": plain, "parent": local, "root": wide, "both": wide + local}[against]
    found = score(batch_of_trees(root), "at2po", backup=backup, against=against, mode="upstream")
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
@quick
@given(roots=st.lists(trees, min_size=1, max_size=3))
def test_upstream_tree_grpo_is_the_published_procedure(roots: list[Node]) -> None:
    def compared(scores: list[float]) -> np.ndarray:
        """A group's mean and sample deviation; a lone score is compared with 0 and 1."""
        alone = len(scores) == 1
        mean, deviation = (0.0, 1.0) if alone else (np.mean(scores), np.std(scores, ddof=1))
        return (np.array(scores) - mean) / (deviation + 1e-6)

    expected = []
    for root in roots:
        everywhere = compared([leaf.outcome or 0.0 for leaf in root.leaves()])
        in_tree = np.concatenate([compared([leaf.outcome or 0.0 for leaf in top.leaves()]) for top in root.children])
        expected += [a + b for a, b, leaf in zip(everywhere, in_tree, root.leaves(), strict=True) for _ in leaf.path()]
    found = score(batch_of_trees(*roots), "tree_grpo", mode="upstream")
    np.testing.assert_allclose(found, expected, atol=5e-6)  # a lone score keeps its whole return here


@pytest.mark.slow
@quick
@given(batch=batches(require={"parent"}))
def test_where_nothing_branches_tempo_is_grpo(batch: EpisodeBatch) -> None:
    apart = replace(batch, parent=np.arange(batch.num_steps))
    np.testing.assert_array_equal(score(apart, "tempo"), score(apart, "grpo"))
    np.testing.assert_array_equal(score(batch, "tempo", weight=0.0), score(batch, "grpo"))


@quick
@given(root=trees)
def test_gains_of_the_plays_of_a_point_cancel(root: Node) -> None:
    batch = batch_of_trees(root)
    gain = score(batch, "at2po", against="parent")
    of_node = {id(node): value for node, value in zip(steps_of(root), gain, strict=True)}
    inner = [root, *(node for node in steps_of(root) if node.children)]
    sums = [sum(of_node[id(child)] for child in node.children) for node in inner]
    np.testing.assert_allclose(sums, 0.0, atol=1e-9)


def test_a_single_tree_is_all_trees() -> None:
    batch = batch_of_trees(grown([LOPSIDED]))
    np.testing.assert_allclose(score(batch, "tree_grpo"), 2 * score(batch, "grpo"), atol=1e-12)
