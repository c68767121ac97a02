"""Counterfactual credit against exact advantages, at matched evaluator calls and at matched messages or tokens.

    python -m credit_gym.baselines.studies.counterfactual [--markdown FILE]
    python -m credit_gym.baselines.studies.counterfactual --env credit/WebShop-v0 --agent noisy:0.3

Without ``--env``: TeamGame, where a tree branches at every message, and Stochastic-v0, where decisions along one
episode are branched. Both have exact Q and V, so every credit is compared with Q - V of the policy that played. With
``--env``: any environment that can be forked and any agent; the truth is then an independent replay of its actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import typer

from credit_gym.agents.core import Agent
from credit_gym.agents.replay.allocation import Allocation, FanOut, PerDecision
from credit_gym.agents.replay.behaviour import BehaviourAgent
from credit_gym.agents.replay.ledger import Ledger
from credit_gym.agents.replay.points import Tree
from credit_gym.agents.rollout.turns import MakeEnv
from credit_gym.agents.spec import parse_agent
from credit_gym.baselines.protocol.compute import (
    ExecutorGpus,
    ExecutorName,
    ExecutorWorkers,
    Grow,
    grow_here,
    open_executor,
)
from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.protocol.options import PlotFolder
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.studies.counterfactual_methods import Method, decision_methods, flat_methods, team_methods
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray, IntArray, group_sum
from credit_gym.envs.tabular.board import state_key
from credit_gym.envs.tabular.env import stochastic
from credit_gym.envs.team.game import TeamGame
from credit_gym.envs.team.game import influence as exact_influence
from credit_gym.errors import CreditGymError
from credit_gym.estimation.siblings import siblings
from credit_gym.exact import oracle
from credit_gym.exact.tabular_model import TabularModel
from credit_gym.metrics import replay_fidelity as cf
from credit_gym.metrics.bucket import Bucket, dead_rate, duplicate_rate
from credit_gym.metrics.influence import influence
from credit_gym.metrics.statistics import Estimate, bootstrap, spearman
from credit_gym.report import Table, to_markdown
from credit_gym.report.command import run as run_command
from credit_gym.scorers import score

RESAMPLES = 300
PAGE = """# Counterfactual credit

Which of a team's messages, or of an agent's actions, earned the outcome? Counterfactual methods go back to the moment
of a decision, draw other actions there, let the same policy continue each, and compare. Made by

    python -m credit_gym.baselines.studies.counterfactual --questions {questions} --markdown docs/counterfactual.md

## How to use it

```python
import gymnasium as gym
from credit_gym.agents.replay.allocation import FanOut, PerDecision
from credit_gym.agents.replay.points import as_batch
from credit_gym.agents.replay.tree import ReplayTree
from credit_gym.agents.scripted import RandomAgent
from credit_gym.scorers import score

grower = ReplayTree(gym.make("credit/WebShop-v0"), RandomAgent(), PerDecision(draws=4, replays=2))
trees = [grower.grow(question) for question in range(8)]
credit = score(as_batch(trees), "counterfactual", draws=4)  # one number per step of every branch
buckets = [b for tree in trees for b in tree.buckets()]  # for credit_gym.metrics.replay_fidelity
print(grower.ledger.spent)                      # what it really cost
```

`FanOut((2, 4))` is the product tree that C3 trains on; `PerDecision` branches the decisions along one episode;
`Adaptive` spends replays where plays disagree. How a tree lies in a batch is written in
`credit_gym/estimation/siblings.py`: every leaf is an episode, `parent` numbers the points between its steps, and a step
that leads to several leaves has a row in each. Weigh such rows by `siblings(batch).share` when you train on them.

## What to know before believing a number

- Leave-one-out and the group mean differ by the factor n / (n - 1) and by nothing else: after standardising over the
  siblings they are one method, and the published setting makes every pair of siblings plus and minus 1. Hence no scale
  by default, and `scale="shrunk"` where one is needed.
- Draws must stay independent: dropping duplicates biases the credit. Merging them and counting how often they were
  drawn (`merge_duplicates`) does not.
- A credit compared with the replays that it was made from agrees by construction. The truth here is exact, or comes
  from other replays of the same actions.
- The noise of a credit is s^2 / c * n / (n - 1) for n draws with c replays: few draws with more replays are quietest.
- Stopping where all plays agree (`Adaptive`) shrinks the credit by a known factor; see its docstring.
- Matched evaluator calls are not matched cost: a 2x4 tree needs 10 messages where 8 flat episodes need 16. The tables
  show both matchings. A scripted policy's message stands for a fixed number of tokens; with a language model
  (`--env`, `--agent`) the ledger counts the tokens that it reports.
- The critic here is exact (the value of the policy that played), which no learned critic is: the rows of `mappo` and of
  critic-assisted C3 show these methods at their best.
- Influence is measured on answers, bias-corrected, beside what shuffled answers give. With n draws it lies about
  (n - 1) / n below the behaviour's own.
- All of this is about small exact games and scripted policies; nothing here is a statement about language models.

*spearman* pools all plays; *slope* is the regression of the credit on the exact advantage (1: right scale); *error* is
relative to a credit of 0 throughout, *nrmse* the same at the credit's best scale. In brackets: 95 % bootstrap intervals
that resample questions.

"""


def with_exact(episodes: Sequence[Episode], model: TabularModel, policy: FloatArray) -> list[Episode]:
    """Return episodes with the exact advantages and values of the policy that played them.

    ``A = Q_h(s, a) - V_h(s)`` with h the steps that were left, not an average over times.
    """
    values = oracle.policy_values(model, policy)
    states = {state_key(name): s for s, name in enumerate(model.state_names)}
    slots = [{model.action_names[a]: slot for slot, a in enumerate(row) if a >= 0} for row in model.action_id.tolist()]
    found = []
    for episode in episodes:
        where = [states[key] for key in episode.state_keys]
        left = [int(model.horizon[model.task[where[0]]]) - t for t in range(len(where))]
        worth = [float(values.v[h, s]) for h, s in zip(left, where, strict=True)]
        gained = [
            float(values.q[h, s, slots[s][action]]) for h, s, action in zip(left, where, episode.actions, strict=False)
        ]
        advantages = tuple(q - v for q, v in zip(gained, worth, strict=False))
        found.append(replace(episode, advantages=advantages, values=tuple(worth)))
    return found


def compare(
    title: str,
    make_env: Callable[[], Any],
    methods: Sequence[Method],
    *,
    questions: int,
    seed: int = 0,
    grow: Grow = grow_here,
) -> Table:
    """Return how the credits of each method agree with exact advantages, play by play, and what they cost a question.

    *spearman* pools the plays of all contexts. *slope* is the regression of the credit on the advantage through the
    origin: 1 says that the scale is right on average. *error* is relative to a credit of 0 throughout (1.0), *nrmse*
    the same at the credit's best scale. On branched decisions only plays of branched contexts count.

    Args:
        title: of the table.
        make_env: a controlled environment.
        methods: what to compare; methods with one allocation share its episodes.
        questions: trees of each method.
        seed: fixes everything.
        grow: grows the trees.
    """
    model: TabularModel = make_env().model
    agent = BehaviourAgent(model)
    grown: dict[Allocation, tuple[EpisodeBatch, Ledger]] = {}
    rows = []
    for method in methods:
        if method.allocation not in grown:
            ledger = Ledger()
            trees = grow(make_env, lambda: agent, method.allocation, questions=questions, seed=seed, ledger=ledger)
            exact = with_exact([e for tree in trees for e in tree.episodes()], model, agent.policy)
            grown[method.allocation] = EpisodeBatch.from_episodes(exact), ledger
        batch, ledger = grown[method.allocation]
        found = fidelity(
            batch, score(batch, method.scorer, **method.options), only_branched=not method.allocation.product
        )
        cost = (ledger.spent[name] / questions for name in ("evaluator_calls", "messages"))
        rows.append((method.label, *(f"{c:.1f}" for c in cost), *map(interval, found)))
    columns = ("method", "evaluator calls", "messages", "spearman", "slope", "error", "nrmse")
    return Table(title, columns, tuple(rows))


def fidelity(batch: EpisodeBatch, credit: FloatArray, *, only_branched: bool) -> list[Estimate]:
    """Return Spearman correlation, slope, error and nrmse against the column ``advantage``, every play counted once.

    A play that several episodes list has the mean of its rows' credits. Intervals resample questions.
    """
    tree = siblings(batch)
    truth: FloatArray = batch.require("advantage")
    mean = group_sum(credit * tree.share, tree.play, tree.plays)[tree.play]
    _, rows = np.unique(tree.play, return_index=True)
    if only_branched:
        rows = rows[tree.size[tree.context[rows]] > 1.0]
    return [
        bootstrap(partial(_on_rows, statistic, mean[rows], truth[rows]), batch.step_group[rows], resamples=RESAMPLES)
        for statistic in (spearman, cf.slope, cf.error, cf.nrmse)
    ]


def analyse(trees: Sequence[Tree], ledger: Ledger, replays: int, truth: Mapping[str, float] | None = None) -> Table:
    """Return what the buckets of some trees say about the credit that can be made from them, without exact values.

    Args:
        trees: with branched decisions, more than ``replays`` replays each.
        ledger: what they cost.
        replays: how many of the replays a credit is made from; the others are the truth of its fidelity.
        truth: state key -> exact influence, where it is known.
    """
    buckets = [bucket for tree in trees for bucket in tree.buckets()]
    if not buckets:
        raise CreditGymError("No decision was branched: every tree failed, or ended before its first branch.")
    rows: list[tuple[str, str]] = []

    def add(name: str, values: FloatArray, used: Sequence[Bucket] = buckets) -> None:
        rows.append((name, interval(cf.mean_over_questions(values, used, resamples=RESAMPLES))))

    credit = [bucket.part(slice(0, replays)) for bucket in buckets]
    for name in cf.ESTIMATORS:
        mine, exact = cf.fidelity_to_replay(buckets, replays, name)
        used = [b for b in buckets if b.table.shape[1] > replays]
        question = np.repeat([b.question for b in used], [len(b.actions) for b in used])
        statistic = bootstrap(partial(_on_rows, spearman, mine, exact), question, resamples=RESAMPLES)
        rows.append((f"fidelity to independent replay, {name}", interval(statistic)))
        add(f"within-context variance, {name}", cf.within_context_variance(credit, name))
    add("split-half reliability", cf.split_half_reliability(buckets))
    measured, predicted = cf.noise_law(buckets)
    add("noise, measured", measured)
    add("noise, predicted", predicted)
    answered = [bucket for bucket in buckets if any(answer for row in bucket.answers for answer in row)]
    if answered:
        found = [influence(bucket, shuffles=100) for bucket in answered]
        add("influence, bias-corrected (nats)", np.array([f.value for f in found]), answered)
        add("influence, its permutation null", np.array([f.null_mean for f in found]), answered)
        add("influence, p < 0.05", np.array([float(f.p_value < 0.05) for f in found]), answered)
        if truth is not None:
            add("influence, exact", np.array([truth[b.state_key] for b in answered]), answered)
    add("duplicate draws", np.array([duplicate_rate(bucket) for bucket in buckets]))
    add("dead contexts", np.array([dead_rate([bucket]) for bucket in credit]))
    rows += [(name.replace("_", " "), f"{amount:,.0f}") for name, amount in ledger.spent.items() if name != "seconds"]
    return Table("Replay analysis", ("statistic", "value"), tuple(rows))


def team_tables(questions: int, fanout: FanOut, seed: int, grow: Grow = grow_here) -> list[Table]:
    """Return TeamGame at matched evaluator calls, at matched messages, and its replay analysis with exact influence."""

    def make_env() -> TeamGame:
        return TeamGame(num_tasks=questions, roles=len(fanout.fanout), messages=4)

    calls, messages = fanout.leaves, max(2, round(fanout.nodes / len(fanout.fanout)))
    shape = "x".join(map(str, fanout.fanout))
    by_calls = compare(
        f"TeamGame, {questions} questions: tree {shape} and {calls} flat episodes, matched evaluator calls",
        make_env,
        team_methods(fanout, calls),
        questions=questions,
        seed=seed,
        grow=grow,
    )
    by_messages = compare(
        f"TeamGame, {questions} questions: {messages} flat episodes, matched messages",
        make_env,
        flat_methods(FanOut((messages,))),
        questions=questions,
        seed=seed,
        grow=grow,
    )
    model, ledger = make_env().model, Ledger()
    first = PerDecision(6, 16, (0,))
    trees = grow(make_env, lambda: BehaviourAgent(model), first, questions=questions, seed=seed, ledger=ledger)
    truth = dict(zip(map(state_key, model.state_names), exact_influence(model).tolist(), strict=True))
    title = f"TeamGame, {questions} questions: the first message, 6 draws x 16 replays, of which 4 make the credit"
    return [by_calls, by_messages, replace(analyse(trees, ledger, 4, truth), title=title)]


def decision_tables(questions: int, seed: int, grow: Grow = grow_here) -> list[Table]:
    """Return Stochastic-v0 at matched evaluator calls and at matched messages."""

    def make_env() -> Any:
        return stochastic(num_tasks=20)

    agent, spent = BehaviourAgent(make_env().model), {}
    for name, allocation in (("tree", PerDecision(3, 2)), ("flat", FanOut((8,)))):
        spent[name] = Ledger()
        grow(make_env, lambda: agent, allocation, questions=questions, seed=seed, ledger=spent[name])
    calls = round(spent["tree"].spent["evaluator_calls"] / questions)
    per_episode = spent["flat"].spent["messages"] / spent["flat"].spent["evaluator_calls"]
    messages = max(2, round(spent["tree"].spent["messages"] / questions / per_episode))
    return [
        compare(
            f"Stochastic-v0, {questions} questions: 3 draws x 2 replays at every decision, {flat} flat episodes, "
            f"matched {unit}",
            make_env,
            decision_methods(3, 2, flat, budget=calls),
            questions=questions,
            seed=seed,
            grow=grow,
        )
        for unit, flat in (("evaluator calls", calls), ("messages", messages))
    ]


def any_table(
    make_env: MakeEnv,
    make_agent: Callable[[], Agent],
    *,
    questions: int,
    draws: int,
    replays: int,
    seed: int,
    grow: Grow = grow_here,
) -> Table:
    """Return the replay analysis of any environment and agent; twice as many replays are made as the credit uses."""
    ledger = Ledger()
    branching = PerDecision(draws, 2 * replays)
    trees = grow(make_env, make_agent, branching, questions=questions, seed=seed, ledger=ledger)
    return analyse(trees, ledger, replays)


def _on_rows(
    statistic: Callable[[FloatArray, FloatArray], float], credit: FloatArray, truth: FloatArray, rows: IntArray
) -> float:
    return statistic(credit[rows], truth[rows])


def interval(found: Estimate) -> str:
    """Return ``value [low, high]``."""
    if np.isnan(found.value):
        return "–"
    return f"{found:.3f}"


def main(
    env: Annotated[str, typer.Option(help="An environment to analyse; empty for the exact comparisons.")] = "",
    agent: Annotated[str, typer.Option(help="Who plays it, such as random, noisy:0.3, hf:MODEL.")] = "random",
    questions: Annotated[int, typer.Option(help="Trees of each method.")] = 200,
    fanout: Annotated[str, typer.Option(help="Fan-out of the TeamGame trees.")] = "2,4",
    draws: Annotated[int, typer.Option(help="With --env: actions drawn at each decision.")] = 4,
    replays: Annotated[int, typer.Option(help="With --env: replays that a credit is made from.")] = 2,
    seed: Annotated[int, typer.Option(help="Fixes everything.")] = 0,
    executor: ExecutorName = "local",
    workers: ExecutorWorkers = None,
    gpus: ExecutorGpus = 0.0,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables here.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the tables here as JSON.")] = None,
    plots: PlotFolder = None,
) -> None:
    """Counterfactual credit: fidelity, bias, noise and cost."""
    with open_executor(executor, workers=workers, gpus=gpus) as place:
        if env:
            make_agent, options = partial(parse_agent, agent, seed=seed), {"draws": draws, "replays": replays}
            found = any_table(
                partial(gym.make, env), make_agent, questions=questions, seed=seed, grow=place.grow, **options
            )
            title = f"{env}, {agent}: {questions} questions, {draws} draws x {2 * replays} replays"
            tables = [replace(found, title=title)]
        else:
            tables = team_tables(questions, FanOut.parse(fanout), seed, place.grow)
            tables += decision_tables(max(questions // 5, 2), seed, place.grow)
    if markdown:
        pages = [f"## {table.title}\n\n{to_markdown(replace(table, title=''))}" for table in tables]
        head = "" if env else PAGE.format(questions=questions)
        markdown.write_text(head + "\n".join(pages), encoding="utf-8")
    if json:
        config = {"baseline": "counterfactual", "env": env, "agent": agent, "questions": questions, "seed": seed}
        save_json(json, config, {table.title: [table.columns, *table.rows] for table in tables})
    publish(tables, plots=plots)


if __name__ == "__main__":
    run_command(main)
