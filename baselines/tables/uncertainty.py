"""Which score tells successful episodes from failed ones? Progress advantage beside confidence and the controls.

    python -m credit_gym.baselines.tables.uncertainty [--study DIR] [--seeds N] [--markdown FILE]
    python -m credit_gym.baselines.tables.uncertainty --run RUN --policy hf:PATH --reference hf:PATH
    python -m credit_gym.baselines.tables.uncertainty --run RUN --reward-model wild_reward:FOLDER

Recorded episodes of any environment, a tau2 file (--tau2) or best-of-n folders (--trials) are scored by their
likelihood, by reward models, or by both. Without them, on the guessing game: the models that ``baselines.delta_belief``
trained are the policy and the taught one is its reference, on the policy's own games and on games of both.
The aggregation (mean over tokens, mean over steps) was chosen beforehand; ``tuned`` is nested cross-validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from credit_gym.baselines.protocol.compute import ExecutorGpus, ExecutorName, ExecutorWorkers, open_executor
from credit_gym.baselines.protocol.options import (
    MarkdownFile,
    PlotFolder,
    RecordedModel,
    RewardModels,
    StoredRun,
    StudyFolder,
    StudySeeds,
    Tau2File,
    TextForm,
    TrialsFolder,
)
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.protocol.recorded_episodes import Recorded, recorded_episodes
from credit_gym.baselines.protocol.trajectory_scores import STEP_SCORES, nested_choice, trajectory_scores
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import CreditGymError
from credit_gym.metrics.discrimination import STATISTICS, auroc, estimate, margin
from credit_gym.metrics.statistics import Estimate, t_interval
from credit_gym.report import Table
from credit_gym.report.command import run as run_command

PAIRS = ("trajectory", "turn-wise + belief")
CONTROL = "fewer steps"


def episode_table(title: str, recorded: Recorded, *, seed: int = 0) -> Table:
    """One batch: every statistic with its stratified bootstrap interval, and the AUROC gained over length.

    Reward models come before the controls. An episode without a reading ranks worst; how many there are stands beside
    the name.
    """
    batch, mode = recorded.batch, recorded.mode
    scores = {**recorded.graded, **trajectory_scores(batch, mode=mode)}
    rows = []
    for name, values in scores.items():
        found = [estimate(values, batch.success, statistic, seed=seed) for statistic in STATISTICS.values()]
        gained = margin(values, scores[CONTROL], batch.success, seed=seed)
        tuned = f"{nested_choice(batch, name, mode=mode)[0]:.3f}" if name in STEP_SCORES else None
        missing = f" ({found[0].missing} without)" if found[0].missing else ""
        rows.append((name + missing, *(_interval(each.estimate) for each in found), _interval(gained), tuned))
    header = ("score", *STATISTICS, f"AUROC over {CONTROL!r}", "tuned AUROC")
    return Table(f"{title}: {batch.num_episodes} episodes, {batch.success.mean():.1%} solved", header, tuple(rows))


def seed_table(title: str, batches: Mapping[int, EpisodeBatch]) -> Table:
    """Several seeds: AUROC of each, their mean and the 95 % t interval over seeds."""
    values: dict[str, list[float]] = {}
    for batch in batches.values():
        for name, scores in trajectory_scores(batch).items():
            values.setdefault(name, []).append(auroc(scores, batch.success))
    rows = [(name, _interval(t_interval(found)), " ".join(f"{v:.3f}" for v in found)) for name, found in values.items()]
    solved = np.mean([batch.success.mean() for batch in batches.values()])
    return Table(f"{title} ({solved:.1%} solved)", ("score", "AUROC [95 % over seeds]", "each seed"), tuple(rows))


def study_batches(folder: Path, recipe: str, seeds: int, repeats: int) -> dict[str, dict[int, EpisodeBatch]]:
    """Games of the trained policies of a study, scored against the taught model: their own, and mixed ones."""
    from credit_gym.baselines.studies.delta_belief.guessing_game import make_table
    from credit_gym.baselines.studies.delta_belief.guessing_model import load_or_teach
    from credit_gym.baselines.studies.delta_belief.guessing_pairs import mixed, on_policy
    from credit_gym.baselines.studies.delta_belief.guessing_study import trained

    if not (folder / "taught" / "config.json").is_file():
        raise CreditGymError(
            f"{folder} holds no study: run `python -m credit_gym.baselines.studies.delta_belief` first."
        )
    table, taught = make_table(), load_or_teach(folder / "taught", make_table(), steps=0, seed=0)
    found: dict[str, dict[int, EpisodeBatch]] = {"its own games": {}, "games of both": {}}
    for seed in range(seeds):
        policy = trained(folder, recipe, seed)
        for (_, batches), games in zip(found.items(), (on_policy, mixed), strict=True):
            batches[seed] = games(policy, taught, table, repeats=repeats, seed=seed)
    return found


def _interval(found: Estimate) -> str | None:
    return None if np.isnan(found.value) else f"{found:.3f}"


def main(
    study: StudyFolder = Path("runs/belief"),
    seeds: StudySeeds = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Games of every secret.")] = 32,
    run: StoredRun = "",
    tau2: Tau2File = None,
    trials: TrialsFolder = None,
    policy: RecordedModel = "",
    reference: RecordedModel = "",
    reward_model: RewardModels = None,
    form: TextForm = "",
    executor: ExecutorName = "local",
    workers: ExecutorWorkers = None,
    gpus: ExecutorGpus = 0.0,
    markdown: MarkdownFile = None,
    plots: PlotFolder = None,
) -> None:
    """Compare the scores."""
    tables = []
    recorded = bool(run or tau2 or trials or policy or reference or reward_model)
    if recorded:
        sources: Any = {"run": run, "tau2": tau2, "trials": trials}
        sources |= {"form": form, "reward_models": reward_model or ()}
        with open_executor(executor, workers=workers, gpus=gpus) as place:
            found = recorded_episodes(policy, reference, executor=place, **sources)
        tables.append(episode_table("Recorded episodes", found))
    for recipe in () if recorded else PAIRS:
        for games, batches in study_batches(study, recipe, seeds, repeats).items():
            tables.append(seed_table(f"Policy trained by {recipe!r}, {games}", batches))
            tables.append(episode_table(f"The same, seed 0, {games}", Recorded(batches[0], {}, "default")))
    publish(tables, markdown, plots)


if __name__ == "__main__":
    run_command(main)
