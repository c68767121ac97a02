"""Which step of a failed run was the decisive error? Training-free scores, beside the rows that need no model.

    python -m credit_gym.baselines.tables.failure_attribution [--data DIR --split NAME]
        [--policy hf:PATH --reference hf:PATH]
    python -m credit_gym.baselines.tables.failure_attribution --reward-model think_prm:SPEC
    python -m credit_gym.baselines.tables.failure_attribution --agent SPEC --protocol all_at_once

By default on planted logs, with a tiny pair made here: the reference imitates runs with slips, and the policy is the
reference trained further on those of such runs that succeeded (rejection-sampling fine-tuning). On a copy of the
Who&When data set, without models, only the rows that need none are shown, for each split at hand. Headline rows are
mean over tokens under two rules, chosen beforehand; ``--grid`` shows all combinations, best first, which were not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import typer

from credit_gym.baselines.protocol.compute import Executor, ExecutorGpus, ExecutorName, ExecutorWorkers, open_executor
from credit_gym.baselines.protocol.options import MarkdownFile, PlotFolder
from credit_gym.baselines.protocol.planted_pair import make_pair
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.recorded_episodes import language_model
from credit_gym.baselines.protocol.trajectory_scores import TOKENS
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.envs.who_and_when import planted
from credit_gym.envs.who_and_when.logs import ALGORITHM_GENERATED, SPLITS, FailureLog, columns, read_logs
from credit_gym.envs.who_and_when.zero_model import ZERO_MODEL
from credit_gym.errors import CreditGymError
from credit_gym.metrics.attribution import Logs, compare, label_rank, predict, within
from credit_gym.metrics.statistics import Estimate, bootstrap_mean
from credit_gym.report import Table
from credit_gym.report.command import run as run_command

RULES = ("sharpest_drop", "min_cumulative", "sharpest_abs_drop")
HEADLINE = ("sharpest_drop", "min_cumulative")
TOLERANCES = (1, 2, 3, 4, 5)
HEADER = ("prediction", "step accuracy [95 %]", "MAE", *(f"±{k}" for k in TOLERANCES), "top 3", "MRR", "agent accuracy")

Row = tuple[str | float | None, ...]


def zero_model_table(split: str, logs: Logs) -> Table:
    """The rows that every method has to beat: chance, positions, lengths, and the other logs' commonest step."""
    rows = []
    for name, rule in ZERO_MODEL.items():
        guess = rule(logs)
        if guess is None:
            rows.append(_blank(name))
        else:
            rows.append(_expected(name, *guess) if isinstance(guess, tuple) else attribution_row(name, guess, logs))
    return Table(f"{split}: {logs.error.size} logs, no model", HEADER, tuple(rows))


def absent_table(split: str, folder: Path) -> Table:
    """The same rows of a split that nobody has here: named, and empty."""
    return Table(f"{split}: not at hand, {folder} has no such folder", HEADER, tuple(map(_blank, ZERO_MODEL)))


def attribution_row(name: str, prediction: IntArray, logs: Logs, score: FloatArray | None = None) -> Row:
    """One row of the table; ranks need a score of every step."""
    found = compare(prediction, logs)
    rank = None if score is None else label_rank(score, logs)
    return (
        name,
        _interval(found.hit.astype(np.float64)),
        float(found.distance.mean()),
        *(within(found.distance, k) for k in TOLERANCES),
        None if rank is None else float((rank <= 3).mean()),
        None if rank is None else float((1 / rank).mean()),
        float(found.agent_hit.mean()) if found.agent_hit.size else None,
    )


def model_scores(
    logs: Sequence[FailureLog],
    policy: str,
    reference: str,
    *,
    form: str = "plain",
    cache: Path | None = None,
    executor: Executor | None = None,
) -> Callable[[str, str], FloatArray]:
    """Return the score of every message as a function of method and token aggregation; the models are asked once.

    Args:
        logs: the failed runs.
        policy: ``hf:PATH``.
        reference: ``hf:PATH``.
        form: how messages become text, a key of :data:`credit_gym.agents.likelihood.transcript_tokens.FORMS`.
        cache: folder of token scores.
        executor: who computes what is not in the cache; this process by default.
    """
    from credit_gym.agents.likelihood.logprobs import score_tokens
    from credit_gym.agents.likelihood.message_scores import MessageScores, message_scores
    from credit_gym.agents.likelihood.score_cache import ScoreCache
    from credit_gym.agents.likelihood.transcript_tokens import UPSTREAM_CAP, sequences
    from credit_gym.agents.likelihood.transcripts import from_log

    upstream = form == "upstream"
    transcripts = [from_log(log) for log in logs]
    kept = None if cache is None else ScoreCache(cache)
    compute = None if executor is None else executor.compute
    tables = []
    for lm in map(language_model, (policy, reference)):
        cap = UPSTREAM_CAP if upstream else None
        rendered = [each for t in transcripts for each in sequences(t, lm.tokenizer, form=form, cap=cap)]
        tables.append(score_tokens(lm, rendered, cache=kept, compute=compute))
    action = np.array([a for t in transcripts for a in t.actions(form)], dtype=np.bool_)
    scores = MessageScores(tables[0], tables[1], action)

    def of(method: str, tokens: str) -> FloatArray:
        found = message_scores(method, scores, tokens=tokens, upstream=upstream)
        return np.where(action, np.nan_to_num(found), np.nan) if upstream else found

    return of


def grid(
    score_of: Callable[[str, str], FloatArray], logs: Logs
) -> Iterator[tuple[str, str, str, IntArray, FloatArray]]:
    """Yield every method, token aggregation and rule with its predictions and the scores they come from."""
    from credit_gym.agents.likelihood.message_scores import METHODS

    for method, tokens in product(METHODS, TOKENS):
        score = score_of(method, tokens)
        for rule in RULES:
            yield method, tokens, rule, predict(rule, score, logs), score


def model_tables(title: str, score_of: Callable[[str, str], FloatArray], logs: Logs, *, whole: bool) -> list[Table]:
    """The headline rows, and on request the whole grid, best step accuracy first."""
    began = time.perf_counter()
    found = list(grid(score_of, logs))
    took = time.perf_counter() - began
    rows = [(f"{m} {t} {r}", prediction, score) for m, t, r, prediction, score in found]
    chosen = [row for row, (_, t, r, *_) in zip(rows, found, strict=True) if t == "mean" and r in HEADLINE]
    tables = [Table(f"{title}, chosen beforehand", HEADER, tuple(attribution_row(n, p, logs, s) for n, p, s in chosen))]
    if whole:
        rows.sort(key=lambda row: -float(compare(row[1], logs).hit.mean()))
        title = f"{title}, all {len(rows)} combinations, chosen on these labels (re-scored in {took:.2f} s)"
        tables.append(Table(title, HEADER, tuple(attribution_row(n, p, logs, s) for n, p, s in rows)))
    return tables


def critic_table(split: str, spec: str, logs: Sequence[FailureLog], *, form: str = "plain") -> Table:
    """The published rules on the verdicts of a process reward model; a log without any names its first message.

    Raises:
        CreditGymError: the reward model grades whole runs, so that it can name no step.
    """
    from credit_gym.agents.likelihood.reward_models import parse_reward_model
    from credit_gym.agents.likelihood.think_prm import ThinkPRM
    from credit_gym.agents.likelihood.transcripts import from_log

    model = parse_reward_model(spec)
    if not isinstance(model, ThinkPRM):
        raise CreditGymError(f"{spec} grades whole runs and can name no step: give think_prm:SPEC.")
    found = model.score([from_log(log) for log in logs], mode="upstream" if form == "upstream" else "default")
    silent = sum(bool(np.isnan(each).all()) for each in found)
    score, table = np.concatenate(found), columns(logs)
    predictions = {
        "threshold": predict("threshold", score, table),
        "min_step": predict("sharpest_drop", score - 1.0, table),  # the lowest; of equals, all 1 included, the first
        "sharpest_abs_drop": predict("sharpest_abs_drop", score, table),
    }
    rows = (attribution_row(f"{spec} {rule}", predicted, table, score) for rule, predicted in predictions.items())
    return Table(f"{split}, {spec}: no verdict on {silent} of {len(logs)} logs", HEADER, tuple(rows))


def played_by(
    agent: str, protocol: str, options: Mapping[str, Any], logs: Sequence[FailureLog], *, seed: int = 0
) -> Table:
    """Let an agent attribute each log once, and score what it named; naming nothing counts as wrong.

    Args:
        agent: its spec.
        protocol: a key of :data:`credit_gym.envs.who_and_when.env.PROTOCOLS`.
        options: further arguments of the environment, whose logs are ``logs``.
        logs: the failed runs.
        seed: of its draws.

    Raises:
        CreditGymError: not one log could be put to it; where some could not, they count as wrong and the title says so.
    """
    from credit_gym.agents.llm.backends import Settings
    from credit_gym.agents.rollout.runner import open_agent, run_episodes, usual_workers
    from credit_gym.agents.spec import parse_agent

    named: dict[str, dict[str, Any]] = {}

    class Heard(gym.Wrapper[str, str, str, str]):
        def step(self, action: str) -> Any:
            result = self.env.step(action)
            if "attribution" in result[4]:
                named[result[4]["task"]["id"]] = result[4]["attribution"]
            return result

    def make_env() -> Any:
        return Heard(gym.make("credit/WhoAndWhen-v0", protocol=protocol, **options))

    with open_agent(parse_agent(agent, seed=seed, settings=Settings(prompting=_prompting()))) as player:
        workers = usual_workers(player)
        played = run_episodes(make_env, player, episodes=len(logs), seed=seed, workers=workers, progress=False)
    errors = [episode.error for episode in played if episode.error is not None]
    if len(errors) == len(logs):
        raise CreditGymError(f"{agent} could not attribute a single log: {errors[0]}")
    nothing = {"step_correct": False, "agent_correct": False}
    found = [named.get(log.id, {**nothing, "distance": len(log.messages)}) for log in logs]
    distance = np.array([each["distance"] for each in found])
    row: Row = (
        agent,
        _interval(np.array([each["step_correct"] for each in found], dtype=np.float64)),
        float(distance.mean()),
        *(within(distance, k) for k in TOLERANCES),
        None,
        None,
        float(np.mean([each["agent_correct"] for each in found])),
    )
    unasked = f", {len(errors)} of them counted as wrong ({errors[0]})" if errors else ""
    return Table(f"{agent} by {protocol}, {len(logs)} logs{unasked}", HEADER, (row,))


def _prompting() -> Any:
    """Every observation shows the log, so no earlier ones are shown."""
    from credit_gym.agents.llm.prompting import Prompting

    system = "You read the log of a failed run to find its decisive error. Answer the last question in one line."
    return Prompting(name="attribution", system=system, history_turns=0)


def _blank(name: str) -> Row:
    return (name, *(None,) * (len(HEADER) - 1))


def _expected(name: str, hit: FloatArray, distance: FloatArray) -> Row:
    blank = (None,) * (len(HEADER) - 3)
    return (name, _interval(hit), float(distance.mean()), *blank)


def _interval(values: FloatArray) -> str:
    """Mean and its percentile bootstrap interval over logs, in percent."""
    return f"{Estimate(*(100 * bound for bound in bootstrap_mean(values))):.1f}"


def _splits(data: Path | None) -> dict[str, bool]:
    """The splits to show where none is named, and whether each is at hand; a folder of bare files is one split."""
    if data is None:
        return {"test": True}
    found = {name: (data / name).is_dir() for name in SPLITS}
    return found if any(found.values()) else {ALGORITHM_GENERATED: True}


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "credit_gym" / "failure_attribution"


def main(
    data: Annotated[Path | None, typer.Option(help="A copy of the Who&When data set; planted logs without.")] = None,
    split: Annotated[str, typer.Option(help="Of the data set, or test or train of the planted logs.")] = "",
    logs: Annotated[int, typer.Option(min=2, help="How many planted logs.")] = 184,
    policy: Annotated[str, typer.Option(help="hf:PATH; with --reference.")] = "",
    reference: Annotated[str, typer.Option(help="hf:PATH; with --policy.")] = "",
    reward_model: Annotated[list[str] | None, typer.Option(help="think_prm:SPEC of a model; repeatable.")] = None,
    form: Annotated[str, typer.Option(help="How messages become text: plain, chat or upstream.")] = "plain",
    whole: Annotated[bool, typer.Option("--grid", help="Also every method, aggregation and rule.")] = False,
    agent: Annotated[str, typer.Option(help="Let this agent attribute the logs instead.")] = "",
    protocol: Annotated[str, typer.Option(help="all_at_once, step_by_step or binary_search.")] = "all_at_once",
    executor: ExecutorName = "local",
    workers: ExecutorWorkers = None,
    gpus: ExecutorGpus = 0.0,
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Compare attributions."""
    if bool(policy) != bool(reference):
        raise CreditGymError("Give both --policy hf:PATH and --reference hf:PATH, or neither.")
    if agent and (policy or reward_model):
        raise CreditGymError("With --agent nothing else attributes the logs: leave out the models, or ask them alone.")
    if data is None and split and split not in planted.SPLITS:
        raise CreditGymError(f"The split {split} is real data: give its folder with --data, or --split test.")
    if data is None and not policy and not agent:
        policy, reference = make_pair(_cache())
    tables: list[Table] = []
    for name, at_hand in ({split: True} if split else _splits(data)).items():
        if data and not at_hand:
            tables.append(absent_table(name, data))
            continue
        found = read_logs(data, name) if data else [planted.generate_log(name, index) for index in range(logs)]
        if agent:
            tables.append(played_by(agent, protocol, {"split": name, "num_tasks": logs, "data": data}, found))
            continue
        name = " and ".join(dict.fromkeys(log.split for log in found)) or name  # the logs know which half they are of
        table = columns(found)
        tables.append(zero_model_table(name, table))
        if policy:
            with open_executor(executor, workers=workers, gpus=gpus) as place:
                scores = model_scores(found, policy, reference, form=form, cache=_cache() / "scores", executor=place)
            tables += model_tables(f"{name}, {form}", scores, table, whole=whole)
        tables += (critic_table(name, spec, found, form=form) for spec in reward_model or ())
    publish(tables, markdown, plots)


if __name__ == "__main__":
    run_command(main)
