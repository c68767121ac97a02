"""Which step of a failed run was the decisive error? Training-free scores, beside the rows that need no model.

    python -m credit_gym.baselines.failure_attribution [--data DIR --split NAME] [--policy hf:PATH --reference hf:PATH]
    python -m credit_gym.baselines.failure_attribution --agent SPEC --protocol all_at_once

By default on planted logs, with a tiny pair made here: the reference imitates runs with slips, and the policy is the
reference trained further on those of such runs that succeeded (rejection-sampling fine-tuning). On a copy of the
Who&When data set, without models, only the rows that need none are shown. Headline rows are mean over tokens under
two rules, chosen beforehand; ``--grid`` shows the best and the worst of all, which were not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import typer

from credit_gym import rng
from credit_gym.baselines.trajectory_scores import TOKENS, language_model
from credit_gym.command import run as run_command
from credit_gym.envs.who_and_when import planted
from credit_gym.envs.who_and_when.logs import TERMINAL, FailureLog, columns, read_logs
from credit_gym.errors import CreditGymError
from credit_gym.failure_attribution import (
    Logs,
    baseline_predictions,
    compare,
    label_rank,
    predict,
    uniform_expectation,
    within,
)
from credit_gym.grouping import FloatArray, IntArray
from credit_gym.report import Table, show
from credit_gym.report.tables import to_markdown

RULES = ("sharpest_drop", "min_cumulative", "sharpest_abs_drop")
HEADLINE = ("sharpest_drop", "min_cumulative")
TOLERANCES = (1, 2, 3, 4, 5)
HEADER = ("prediction", "step accuracy [95 %]", "MAE", *(f"±{k}" for k in TOLERANCES), "top 3", "MRR", "agent accuracy")

Row = tuple[str | float | None, ...]


def zero_model_rows(logs: Logs) -> list[Row]:
    """The rows that every method has to beat: chance, positions, lengths, and the other logs' commonest step."""
    agents = np.array([name != TERMINAL for name in logs.agent], dtype=np.bool_)
    rows = [_expected("uniform over valid steps", *uniform_expectation(logs))]
    found = baseline_predictions(logs)
    if not agents.all():
        spoken = logs.valid & agents
        rows.append(_expected("uniform, no terminal", *uniform_expectation(logs, spoken)))
        found["longest step, no terminal"] = baseline_predictions(logs._replace(valid=spoken))["longest step"]
    found["positional prior, leave-one-out"] = positional_prior(logs)
    return rows + [attribution_row(name, prediction, logs) for name, prediction in found.items()]


def positional_prior(logs: Logs) -> IntArray:
    """Predict for each log the step that the labels of all other logs name most often, clipped to the log.

    It has read labels, so it is no zero-shot method; it shows what position alone is worth.
    """
    counts = np.bincount(logs.error)[None, :].repeat(logs.error.size, axis=0)
    counts[np.arange(logs.error.size), logs.error] -= 1
    return np.asarray(np.minimum(counts.argmax(axis=1), np.diff(logs.offsets) - 1))


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
    logs: Sequence[FailureLog], policy: str, reference: str, *, form: str = "plain", cache: Path | None = None
) -> Callable[[str, str], FloatArray]:
    """Return the score of every message as a function of method and token aggregation; the models are asked once.

    Args:
        logs: the failed runs.
        policy: ``hf:PATH``.
        reference: ``hf:PATH``.
        form: how messages become text, a key of :data:`credit_gym.agents.engine.transcripts.FORMS`.
        cache: folder of token scores.
    """
    from credit_gym.agents.engine.logprobs import score_tokens
    from credit_gym.agents.engine.score_cache import ScoreCache
    from credit_gym.agents.engine.transcripts import (
        UPSTREAM_CAP,
        MessageScores,
        from_log,
        message_scores,
        sequences,
    )

    upstream = form == "upstream"
    transcripts = [from_log(log) for log in logs]
    tables = []
    for lm in map(language_model, (policy, reference)):
        cap = UPSTREAM_CAP if upstream else None
        rendered = [each for t in transcripts for each in sequences(t, lm.tokenizer, form=form, cap=cap)]
        tables.append(score_tokens(lm, rendered, cache=None if cache is None else ScoreCache(cache)))
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
    from credit_gym.agents.engine.transcripts import METHODS

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


def make_pair(folder: Path, *, steps: int = 600, further: int = 300, seed: int = 0) -> tuple[str, str]:
    """Make the tiny policy and its reference, unless the folder has them; about a minute or two of one core.

    Args:
        folder: where they go.
        steps: training steps of the reference, on runs in which a fifth of all turns slip.
        further: training steps that make it the policy, on such runs that succeeded.
        seed: fixes everything.

    Returns:
        The specs of policy and reference.
    """
    policy, reference = folder / f"policy-{steps}-{further}-{seed}", folder / f"reference-{steps}-{seed}"
    if not (policy / "config.json").exists():
        _train_pair(policy, reference, steps, further, seed)
    return f"hf:{policy}", f"hf:{reference}"


def played_by(agent: str, protocol: str, options: dict[str, Any], *, episodes: int, seed: int = 0) -> Table:
    """Let an agent attribute each log once, and score what it named; naming nothing counts as wrong."""
    from credit_gym.agents.runner import run_episodes
    from credit_gym.agents.spec import parse_agent

    named: list[dict[str, Any]] = []

    class Heard(gym.Wrapper[str, str, str, str]):
        def step(self, action: str) -> Any:
            result = self.env.step(action)
            if "attribution" in result[4]:
                named.append(result[4]["attribution"])
            return result

    def make_env() -> Any:
        return Heard(gym.make("credit/WhoAndWhen-v0", protocol=protocol, **options))

    player = parse_agent(agent, seed=seed)
    played = run_episodes(make_env, player, episodes=episodes, seed=seed, progress=False)
    failed = next((episode.error for episode in played if episode.error), None)
    if failed is not None:
        raise CreditGymError(f"{agent} could not attribute every log: {failed}")
    distance = np.array([each["distance"] for each in named])
    hit = np.array([each["step_correct"] for each in named], dtype=np.float64)
    who = float(np.mean([each["agent_correct"] for each in named]))
    row: Row = (
        agent,
        _interval(hit),
        float(distance.mean()),
        *(within(distance, k) for k in TOLERANCES),
        None,
        None,
        who,
    )
    return Table(f"{agent} by {protocol}, {len(named)} logs", HEADER, (row,))


def _train_pair(policy: Path, reference: Path, steps: int, further: int, seed: int) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from credit_gym.agents.engine.transcripts import from_log, sequences
    from credit_gym.agents.tiny_lm.tokenizer import learn_tokenizer

    runs = [_training_run(seed, index) for index in range(6000)]
    tokenizer = learn_tokenizer((f"{log.question} {m.content}" for log, _ in runs[:1000] for m in log.messages), 400)
    rows = [sequences(from_log(log), tokenizer)[0] for log, _ in runs]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.derive(seed, 1) >> 1)
            model = Qwen2ForCausalLM(
                Qwen2Config(
                    vocab_size=len(tokenizer),
                    hidden_size=64,
                    intermediate_size=128,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    num_key_value_heads=2,
                    max_position_embeddings=2048,
                    initializer_range=0.1,
                    tie_word_embeddings=True,
                    bos_token_id=None,
                    eos_token_id=tokenizer.eos_token_id,
                    pad_token_id=tokenizer.pad_token_id,
                )
            )
            _fit(model, rows, steps, 3e-3)
            _save(model, tokenizer, reference)
            _fit(model, [row for row, (_, good) in zip(rows, runs, strict=True) if good], further, 1e-3)
            _save(model, tokenizer, policy)
    finally:
        torch.set_num_threads(threads)


def _training_run(seed: int, index: int) -> tuple[FailureLog, bool]:
    """A run in which every fifth turn slips, and whether it succeeded all the same; no label is read from it."""
    draw = rng.derive(seed, 2, index)
    problem = planted.make_problem(draw)
    turns = range(len(problem.turns))
    slips = {i: 1 + rng.derive(draw, 4, i) % 9 for i in turns if rng.derive(draw, 3, i) % 5 == 0}
    messages = planted.play(problem, slips)
    log = FailureLog(str(index), "train", problem.question, str(problem.answer), messages, "", 0)
    return log, planted.solved(problem, messages)


def _fit(model: Any, rows: Sequence[Any], steps: int, rate: float) -> None:
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for _ in range(steps):
        batch = [rows[index] for index in torch.randint(len(rows), (8,)).tolist()]
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row.ids) for row in batch], batch_first=True)
        taught = [(number, int(index)) for number, row in enumerate(batch) for index in row.positions]
        number, index = torch.tensor(taught).T
        states = model.model(ids[:, :-1]).last_hidden_state  # padding is on the right, where nothing looks
        loss: Any = torch.nn.functional.cross_entropy(model.lm_head(states[number, index - 1]), ids[number, index])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    if not folder.exists():
        part.rename(folder)


def _expected(name: str, hit: FloatArray, distance: FloatArray) -> Row:
    blank = (None,) * (len(HEADER) - 3)
    return (name, _interval(hit), float(distance.mean()), *blank)


def _interval(values: FloatArray) -> str:
    """Mean and its percentile bootstrap interval over logs, in percent."""
    draws = np.random.default_rng(0).integers(values.size, size=(2000, values.size))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return f"{100 * values.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "credit_gym" / "failure_attribution"


def main(
    data: Annotated[Path | None, typer.Option(help="A copy of the Who&When data set; planted logs without.")] = None,
    split: Annotated[str, typer.Option(help="Of the data set, or test or train of the planted logs.")] = "",
    logs: Annotated[int, typer.Option(min=2, help="How many planted logs.")] = 184,
    policy: Annotated[str, typer.Option(help="hf:PATH; with --reference.")] = "",
    reference: Annotated[str, typer.Option(help="hf:PATH; with --policy.")] = "",
    form: Annotated[str, typer.Option(help="How messages become text: plain, chat or upstream.")] = "plain",
    whole: Annotated[bool, typer.Option("--grid", help="Also every method, aggregation and rule.")] = False,
    agent: Annotated[str, typer.Option(help="Let this agent attribute the logs instead.")] = "",
    protocol: Annotated[str, typer.Option(help="all_at_once, step_by_step or binary_search.")] = "all_at_once",
    markdown: Annotated[Path | None, typer.Option(help="Also write the tables to this file.")] = None,
) -> None:
    """Compare attributions."""
    split = split or ("test" if data is None else "Algorithm-Generated")
    if bool(policy) != bool(reference):
        raise CreditGymError("Give both --policy hf:PATH and --reference hf:PATH, or neither.")
    if data is None and split not in planted.SPLITS:
        raise CreditGymError(f"The split {split} is real data: give its folder with --data, or --split test.")
    found = read_logs(data, split) if data else [planted.generate_log(split, index) for index in range(logs)]
    if agent:
        options: dict[str, Any] = {"split": split, "num_tasks": logs, "data": data}
        tables = [played_by(agent, protocol, options, episodes=len(found))]
    else:
        table = columns(found)
        tables = [Table(f"{split}: {len(found)} logs, no model", HEADER, tuple(zero_model_rows(table)))]
        if data is None and not policy:
            policy, reference = make_pair(_cache())
        if policy:
            scores = model_scores(found, policy, reference, form=form, cache=_cache() / "scores")
            tables += model_tables(f"{split}, {form}", scores, table, whole=whole)
    for each in tables:
        show(each)
    if markdown is not None:
        markdown.write_text("\n\n".join(map(to_markdown, tables)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
