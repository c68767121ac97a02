"""One controlled experiment: sample a suite once, score it with many scorers, judge each against the exact oracle."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from scipy import sparse

from credit_gym.agents.learning.tabular import credit_table, greedy_policy, policy_gradient_curve
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.metrics import fidelity as metrics
from credit_gym.scorers import get, names, read_options, score


@dataclass(frozen=True)
class Row:
    """One line of a table: a scorer with its options.

    Attributes:
        scorer: a registered scorer.
        options: its keyword options.
        label: name of the row; the scorer's name if empty.
    """

    scorer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def name(self) -> str:
        """Name of the row in results."""
        return self.label or self.scorer

    @classmethod
    def parse(cls, entry: str | Mapping[str, Any]) -> Row:
        """Read a row from a configuration: a scorer's name, or a mapping of ``scorer``, ``options`` and ``label``.

        Raises:
            UnknownNameError: there is no such scorer, or it has no such option.
            OptionError: an option does not fit the scorer's signature.
        """
        read: Mapping[str, Any] = {"scorer": entry} if isinstance(entry, str) else entry
        return cls(read["scorer"], read_options(read["scorer"], read.get("options", {})), read.get("label", ""))


def load_model(
    env_id: str, *, suite_seed: int = 0, exploration: float = 0.5, arguments: Mapping[str, Any] | None = None
) -> TabularModel:
    """Return the exact model of a controlled environment.

    Args:
        env_id: the environment.
        suite_seed: which suite of tasks is drawn; a manifest's tasks are fixed and ignore it.
        exploration: share of uniform actions in the behaviour; a manifest states its own behaviour and ignores it.
        arguments: the environment's other arguments.
    """
    entry_point = gym.spec(env_id).entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    taken = inspect.signature(creator).parameters if creator else {}
    drawn: dict[str, Any] = {
        name: value for name, value in (("suite_seed", suite_seed), ("exploration", exploration)) if name in taken
    }
    model: TabularModel = gym.make(env_id, **drawn, **(arguments or {})).get_wrapper_attr("model")
    return model


def sample_suite(model: TabularModel, *, episodes_per_task: int, seed: int) -> EpisodeBatch:
    """Sample the behaviour's episodes of every task, with exact advantages attached for the oracle's own row."""
    return oracle.annotate(sample_batch(model, episodes_per_task=episodes_per_task, seed=seed), model)


def all_rows() -> list[Row]:
    """Return a row for every registered scorer that a controlled environment can feed, the oracle last."""
    fed = {"verifier", "advantage"}
    found = [name for name in names() if get(name).needs <= fed]
    return [Row(name) for name in sorted(found, key=lambda name: ("advantage" in get(name).needs, name))]


@dataclass(frozen=True)
class Judge:
    """The exact quantities that credits of one sampled suite are compared with.

    Attributes:
        model: the environment.
        batch: the sampled episodes.
        observed: (S, A) actions that the batch contains.
        behaviour: (S, A) exact advantage under the behaviour.
        optimal: (S, A) exact optimal discounted advantage.
        returning: (S, A) actions that may lead back to where they were taken.
    """

    model: TabularModel
    batch: EpisodeBatch
    observed: BoolArray
    behaviour: FloatArray
    optimal: FloatArray
    returning: BoolArray

    @classmethod
    def of(cls, model: TabularModel, batch: EpisodeBatch) -> Judge:
        """Solve the model once for all scorers."""
        table = credit_table(model, batch, np.zeros(batch.num_steps))
        owns_key = (model.key_owner[model.key] == np.arange(model.num_states))[:, None]
        return cls(
            model,
            batch,
            (table.visits > 0) & owns_key,
            oracle.behaviour_advantage(model),
            oracle.optimal_advantage(model),
            _returning(model),
        )

    def table(self, credit: FloatArray) -> FloatArray:
        """Return the centred credit table; (S, A)."""
        table = credit_table(self.model, self.batch, credit)
        return metrics.centre(table.mean, table.visits)

    def judge(self, credit: FloatArray, *, seed: int) -> dict[str, FloatArray]:
        """Return every metric of a credit, one value a task; NaN in tasks that have no decision state."""
        model, table = self.model, credit_table(self.model, self.batch, credit)
        centred = metrics.centre(table.mean, table.visits)
        owner, tasks = model.task, model.num_tasks
        on_behaviour = metrics.decision_mask(self.behaviour, self.observed)
        on_optimal = metrics.decision_mask(self.optimal, self.observed)
        split = metrics.differentiated(table.mean, self.observed)
        right = metrics.top1(centred, self.optimal, on_optimal)

        def average(values: FloatArray, mask: BoolArray) -> FloatArray:
            return metrics.by_owner(values, np.asarray(mask.any(axis=1)), owner, tasks)

        return {
            "success": oracle.success_probability(model, greedy_policy(model, table, seed=seed)),
            "top1": average(right, on_optimal),
            "loop_rate": average(metrics.loop_rate(centred, self.optimal, on_optimal, self.returning), on_optimal),
            "spearman": average(metrics.spearman(centred, self.behaviour, on_behaviour), on_behaviour),
            "kendall": average(metrics.kendall(centred, self.behaviour, on_behaviour), on_behaviour),
            "spearman_optimal": average(metrics.spearman(centred, self.optimal, on_optimal), on_optimal),
            "kendall_optimal": average(metrics.kendall(centred, self.optimal, on_optimal), on_optimal),
            "sign": average(metrics.sign_accuracy(centred, self.behaviour, on_behaviour), on_behaviour),
            "nrmse": metrics.nrmse(centred, self.behaviour, on_behaviour, owner, tasks),
            "differentiated": average(split.astype(np.float64), on_optimal),
            "aligned": average(split * right, on_optimal),
        }


def judge_suite(
    model: TabularModel,
    rows: Sequence[Row],
    *,
    episodes_per_task: int,
    seed: int,
    trainers: Sequence[str] = ("score_table",),
) -> dict[str, dict[str, FloatArray]]:
    """Score one sampled suite with every row; return row name -> metric -> (N,) values a task.

    Args:
        model: the suite.
        rows: the scorers; all see the same episodes.
        episodes_per_task: episodes of each task's group.
        seed: seed of the sampling and of the table's tie-breaks.
        trainers: "score_table" gives the metrics of :meth:`Judge.judge`; "policy_gradient" adds ``pg_success`` (the
            exact success after the last of 15 on-policy iterations) and ``pg_curve_mean`` (its mean over iterations).
    """
    batch = sample_suite(model, episodes_per_task=episodes_per_task, seed=seed)
    judge = Judge.of(model, batch)
    return {row.name: {k: v for t in trainers for k, v in TRAINERS[t](judge, row, seed).items()} for row in rows}


def _score_table(judge: Judge, row: Row, seed: int) -> dict[str, FloatArray]:
    return judge.judge(score(judge.batch, row.scorer, **row.options), seed=seed)


def _policy_gradient(judge: Judge, row: Row, seed: int) -> dict[str, FloatArray]:
    curve = policy_gradient_curve(judge.model, row.scorer, seed=seed, **row.options)
    return {"pg_success": curve[-1], "pg_curve_mean": curve.mean(axis=0)}


TRAINERS = {"score_table": _score_table, "policy_gradient": _policy_gradient}


def _returning(model: TabularModel) -> BoolArray:
    """Actions with an outcome from which the state can be reached again; (S, A)."""
    states = model.num_states
    row = np.broadcast_to(np.arange(states)[:, None, None], model.successor.shape)
    possible = (model.probability > 0) & ~model.terminal[:, None, None]
    graph = sparse.csr_matrix(
        (np.ones(int(possible.sum())), (row[possible], model.successor[possible])), shape=(states, states)
    )
    _, component = sparse.csgraph.connected_components(graph, directed=True, connection="strong")
    same = component[model.successor] == component[row]
    return np.asarray((possible & same).any(axis=2), dtype=np.bool_)
