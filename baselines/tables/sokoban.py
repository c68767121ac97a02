"""Choosing the best of eight games of Sokoban by progress advantage, in the layout of the published run.

    python -m credit_gym.baselines.tables.sokoban [--seeds N] [--quick] [--json FILE] [--plots DIR]
    python -m credit_gym.baselines.tables.sokoban --sims FILE --policy hf:PATH --reference hf:PATH

Progress advantage by every aggregation over tokens and over steps (the mean of means was chosen beforehand), the other
training-free scores, majority and chance, the oracle, and the same advantage against references that were merged from
both models. Success is of rooms that nobody trained in; intervals are over rooms, and over seeds, each of which has
models and rooms of its own. The candidates are the tiny policy's, or those of a results file (--sims).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.protocol.options import JsonFile, MarkdownFile, PlotFolder, RecordedModel
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.recorded_episodes import language_model, recorded_episodes
from credit_gym.baselines.protocol.sokoban_pair import Effort, make_pair, play_rooms
from credit_gym.baselines.protocol.trajectory_scores import step_scores, trajectory_scores
from credit_gym.baselines.tables.test_time_scaling import gap, pool, selections
from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.errors import CreditGymError
from credit_gym.estimation.token_scores import aggregate_steps
from credit_gym.metrics.best_of_n import Selection
from credit_gym.metrics.statistics import bootstrap_mean, t_interval
from credit_gym.report import Table
from credit_gym.report.command import run as run_command

TOKENS = ("mean", "min", "max", "last")
STEPS = ("mean", "min", "last", "max")
PRIMARY = "pa_mean_mean"
METHODS = ("linear", "ties", "dare_linear")
"""Those that differ where there is a single task vector: ``emr`` is ``linear`` then, ``dare_ties`` ``dare_linear``."""
ALPHAS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))

_QUICK = Effort(rooms=200, steps=200, further=20, batch_size=32)


class Candidates(NamedTuple):
    """The games of one pair of models.

    Attributes:
        batch: the games, with every token column.
        policy: folder of the model that played.
        reference: folder of the model that it was trained from.
        against: gives the batch with another model as the reference.
    """

    batch: EpisodeBatch
    policy: Path
    reference: Path
    against: Callable[[Path], EpisodeBatch]


def advantages(batch: EpisodeBatch) -> dict[str, FloatArray]:
    """Return ``pa_{tokens}_{steps}`` -> (E,) progress advantage, for every aggregation of the published grid."""
    of_steps = {tokens: step_scores(batch, "progress_advantage", tokens=tokens) for tokens in TOKENS}
    return {
        f"pa_{tokens}_{steps}": aggregate_steps(values, batch.offsets, steps)
        for tokens, values in of_steps.items()
        for steps in STEPS
    }


def majority(batch: EpisodeBatch) -> FloatArray:
    """Return (E,) how many candidates of its task made the very moves of each."""
    actions = [batch.action[start:end].tobytes() for start, end in zip(batch.offsets, batch.offsets[1:], strict=False)]
    games = list(zip(batch.task.tolist(), actions, strict=True))
    count = Counter(games)
    return np.array([count[game] for game in games], dtype=np.float64)


def rivals(batch: EpisodeBatch) -> dict[str, FloatArray]:
    """Return every other score of the table: confidence, majority, and the controls."""
    found = trajectory_scores(batch)
    del found["progress_advantage"]  # is PRIMARY
    return {**found, "majority": majority(batch)}


def selection_table(title: str, found: Mapping[str, Sequence[Selection]]) -> Table:
    """Success of what each score chooses of all candidates, oracle and chance first; a list has one entry a seed."""
    one = next(iter(found.values()))
    rows: list[tuple[str | None, ...]] = [
        ("oracle", *_success([each.oracle[:, -1] for each in one]), None),
        ("chance", *_success([each.chance for each in one]), None),
    ]
    for name, parts in found.items():
        whole = pool(parts)
        rows.append((name, *_success([part.chosen[:, -1] for part in parts]), gap(whole, whole.chosen.shape[1])))
    header = ("score", "success [95 % over rooms]", "[95 % over seeds]", "each seed", "gap recovered [95 % over rooms]")
    return Table(title, header, tuple(rows))


def grid_table(found: Mapping[str, Sequence[Selection]]) -> Table:
    """Success with progress advantage, a row an aggregation of tokens and a column one of steps."""
    rows = tuple((tokens, *(_over_rooms(found[f"pa_{tokens}_{steps}"]) for steps in STEPS)) for tokens in TOKENS)
    return Table("Progress advantage, tokens by steps", ("tokens", *(f"steps: {steps}" for steps in STEPS)), rows)


def merged_selections(played: Sequence[Candidates], alphas: Sequence[float]) -> dict[str, dict[float, list[Selection]]]:
    """Return method -> alpha -> what the primary score chooses against that merged reference, one entry a seed."""
    from credit_gym.agents.likelihood.merging import merge

    found: dict[str, dict[float, list[Selection]]] = {method: {} for method in METHODS}
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            for alpha in alphas:
                chosen = found[method][alpha] = []
                for each in played:
                    ends: Any = {"anchor": each.reference, "policy": each.policy}
                    merged = merge(Path(folder) / "merged", **ends, method=method, alpha=alpha)
                    batch = each.against(merged)
                    (kept,) = selections([(batch, {PRIMARY: advantages(batch)[PRIMARY]})])[PRIMARY]
                    chosen.append(kept)
    return found


def merged_table(merged: Mapping[str, Mapping[float, Sequence[Selection]]]) -> Table:
    """Success with the primary score, a row a share of the way from the reference to the policy."""
    alphas = next(iter(merged.values()))
    rows = tuple((f"{alpha:.2f}", *(_over_rooms(merged[method][alpha]) for method in merged)) for alpha in alphas)
    return Table("Progress advantage against merged references", ("alpha", *merged), rows)


def _success(parts: Sequence[FloatArray]) -> tuple[str, str, str]:
    """Mean over rooms with its interval; over seeds; and each seed's."""
    means = [float(part.mean()) for part in parts]
    over_seeds = f"{t_interval(means):.3f}"
    return f"{bootstrap_mean(np.concatenate(parts)):.3f}", over_seeds, " ".join(f"{mean:.3f}" for mean in means)


def _over_rooms(parts: Sequence[Selection]) -> str:
    return f"{bootstrap_mean(pool(parts).chosen[:, -1]):.3f}"


def _made_here(folder: Path, effort: Effort, rooms: int, candidates: int, seed: int) -> Candidates:
    """Games of a tiny policy in rooms of the split ``test``."""
    from credit_gym.agents.likelihood.language_model import LanguageModel
    from credit_gym.agents.likelihood.recorded import with_policy_scores, with_reference_scores

    policy, reference = make_pair(folder, effort, seed=seed)
    lm = LanguageModel(policy)
    episodes = play_rooms(policy, "test", rooms, candidates=candidates, seed=seed)
    scored = with_policy_scores(lm, episodes)
    whole = with_reference_scores(LanguageModel(reference), scored, policy=lm)

    def against(other: Path) -> EpisodeBatch:
        return EpisodeBatch.from_episodes(with_reference_scores(LanguageModel(other), scored))

    return Candidates(EpisodeBatch.from_episodes(whole), policy, reference, against)


def _read(sims: Path, policy: str, reference: str) -> Candidates:
    """Games of a results file, scored by two models."""
    found = recorded_episodes(policy, reference, tau2=sims).batch

    def against(other: Path) -> EpisodeBatch:
        return recorded_episodes(policy, f"hf:{other}", tau2=sims).batch

    return Candidates(found, language_model(policy).folder, language_model(reference).folder, against)


def _as_published(
    found: Mapping[str, Sequence[Selection]], merged: Mapping[str, Mapping[float, Sequence[Selection]]]
) -> dict[str, Any]:
    """The keys of the published results, of all seeds together."""
    one = pool(next(iter(found.values())))
    tasks = one.chance.size

    def rate(parts: Sequence[Selection]) -> dict[str, float]:
        return {"bon_success_rate": float(pool(parts).chosen[:, -1].mean()), "n_tasks": tasks}

    return {
        "pass_at_1_mean_of_n": float(one.chance.mean()),
        "pass_at_n_oracle": float(one.oracle[:, -1].mean()),
        "candidates_per_task": one.chosen.shape[1],
        "n_tasks": tasks,
        "scores": {name: rate(parts) for name, parts in found.items()},
        "merged": {
            method: {f"{alpha:.2f}": rate(parts) for alpha, parts in kept.items()} for method, kept in merged.items()
        },
    }


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Pairs of models, each with rooms of its own.")] = 5,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms of the test split for each.")] = 64,
    candidates: Annotated[int, typer.Option(min=2, help="Games of each room.")] = 8,
    quick: Annotated[
        bool, typer.Option(help="Models that learned for seconds: whether it runs, not what it finds.")
    ] = False,
    models: Annotated[Path, typer.Option(help="Where the models are kept.")] = Path("runs/sokoban"),
    sims: Annotated[Path | None, typer.Option(help="Score a results file with all candidates instead.")] = None,
    policy: RecordedModel = "",
    reference: RecordedModel = "",
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Play, score, choose."""
    if bool(sims) != bool(policy and reference):
        raise CreditGymError("A results file is scored by two models: give --sims, --policy and --reference together.")
    effort = Effort()
    if quick:
        seeds, rooms, effort = 1, min(rooms, 6), _QUICK
    if sims is not None:
        played = [_read(sims, policy, reference)]
    else:
        played = [_made_here(models, effort, rooms, candidates, seed) for seed in range(seeds)]
    grid = selections([(each.batch, advantages(each.batch)) for each in played])
    found = {PRIMARY: grid[PRIMARY], **selections([(each.batch, rivals(each.batch)) for each in played])}
    merged = {
        method: {0.0: found[PRIMARY], **kept}  # nothing of the policy: the reference itself
        for method, kept in merged_selections(played, ALPHAS[4:5] if quick else ALPHAS).items()
    }
    count = sum(each.chance.size for each in found[PRIMARY])
    most = found[PRIMARY][0].chosen.shape[1]
    title = f"Sokoban, best of {most}: {count} rooms, {len(played)} seeds"
    tables = [selection_table(title, found), grid_table(grid), merged_table(merged)]
    if json:
        config = {"baseline": "sokoban", "seeds": len(played), "candidates": most, "effort": effort._asdict()}
        save_json(json, config, _as_published({**grid, **found}, merged))
    publish(tables, markdown, plots)


if __name__ == "__main__":
    run_command(main)
