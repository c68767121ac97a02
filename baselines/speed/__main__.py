"""Speed: medians of repeated runs on this machine, each beside its target and the ratio of the two.

    python -m credit_gym.baselines.speed [--only TEXT] [--repeats N] [--json FILE] [--against docs/speed.md]

Nothing here is a test: a rate depends on the machine and on what else it does. Single-core rates are taken in one
process without warm-up tricks; the first, uncounted run fills caches.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import typer

from credit_gym.baselines.protocol.experiment import save_json
from credit_gym.baselines.protocol.options import JsonFile
from credit_gym.baselines.speed.alfworld_speed import alfworld
from credit_gym.baselines.speed.earlier import FELL, kept_of, read_values
from credit_gym.baselines.speed.game_speed import games
from credit_gym.baselines.speed.likelihood_speed import likelihood
from credit_gym.baselines.speed.measurement import Measurement, forks, resets
from credit_gym.baselines.speed.memory_speed import memory
from credit_gym.baselines.speed.replay_speed import replay
from credit_gym.baselines.speed.serve_speed import served
from credit_gym.baselines.speed.store_speed import store
from credit_gym.baselines.speed.training_speed import training
from credit_gym.baselines.speed.webshop_speed import webshop, webshop_index
from credit_gym.baselines.tables import stochastic
from credit_gym.data.batch import EpisodeBatch
from credit_gym.report import Table, show, to_markdown
from credit_gym.report.command import run as run_command
from credit_gym.scorers import get, names, score
from credit_gym.wrappers import AssignCredit, RecordEpisodes, RecordVerifier

STEPS = 1_000_000
PAGE = """# Speed

Medians of {repeats} runs after an uncounted one, on {cores} cores, Python {python}, NumPy {numpy}. Made by

    python -m credit_gym.baselines.speed --repeats {repeats} --markdown docs/speed.md

One process unless a line says otherwise. A rate depends on the machine and on what else it does; the ratio is to the
target that the project holds itself to. Scorers that solve a linear system or walk the pooled graph are held to O(M),
not to a rate.

"""
CLOSED_FORM = frozenset({"outcome_only", "grpo", "rloo", "mc", "mt_grpo", "pbrs", "oracle", "random"})
SOLVES = frozenset(
    {
        "adaptive", "adaptive_q", "combined", "crbc", "crbc_raw", "emp_qstar", "emp_qstar_pessimistic", "graphgpo",
        "graphhca", "hindsight", "loo", "shapley", "rudder", "spa", "td_error",
    }
)  # fmt: skip
"""Scorers that solve a linear system or walk the pooled graph: held to O(M), without a rate to meet."""


def synthetic_batch(steps: int = STEPS, length: int = 20, group_size: int = 64) -> EpisodeBatch:
    """Return a legal batch of random walks: about 20 states a group and 6 actions, half of the episodes solved."""
    draw = np.random.default_rng(0)
    episodes = steps // length
    group = np.arange(episodes) // group_size
    walk = draw.integers(0, 20, size=(episodes, length + 1)) + 20 * group[:, None]
    success = draw.random(episodes) < 0.5
    reward = np.zeros((episodes, length))
    reward[:, -1] = success
    total = episodes * length
    return EpisodeBatch(
        offsets=np.arange(episodes + 1) * length,
        state=walk[:, :-1].ravel(),
        next_state=walk[:, 1:].ravel(),
        action=draw.integers(0, 6, size=total),
        reward=reward.ravel(),
        group=group,
        task=group,
        success=success,
        terminated=success,
        truncated=~success,
        verifier=draw.integers(-1, 2, size=total).astype(np.float64),
        advantage=draw.normal(size=total),
    )


def recorded_columns(batch: EpisodeBatch, group_size: int = 64) -> EpisodeBatch:
    """Return the batch with what models, critics, teams and replay trees record; a step is one token.

    The episodes of a group are the leaves of a tree whose branches halve at every step, down to one leaf each.
    """
    draw = np.random.default_rng(1)
    steps, points = batch.num_steps, batch.num_steps + batch.num_episodes
    leaf = np.arange(batch.num_episodes)[batch.episode] % group_size
    first = (leaf * 2**batch.step // group_size) * group_size // 2 ** np.minimum(batch.step, 62)  # leaf of the branch
    return replace(
        batch,
        parent=np.where(batch.step == 0, -1, first * int(batch.lengths.max()) + batch.step),
        role=draw.integers(0, 3, size=steps),
        value=draw.random(points),
        log_belief=-draw.random(points),
        distractor_log_belief=-draw.random(points),
        logprob_offsets=np.arange(steps + 1),
        policy_logprob=-_chances(draw, steps),
        reference_logprob=-_chances(draw, steps),
        policy_top_logprob=-_chances(draw, steps),
        policy_entropy=_chances(draw, steps),
        policy_kl=_chances(draw, steps),
    )


def _chances(draw: np.random.Generator, size: int) -> npt.NDArray[np.float32]:
    return draw.random(size, dtype=np.float32)


def scorer_rates() -> Iterator[Measurement]:
    """Every scorer on one million steps."""
    plain = synthetic_batch()
    recorded = recorded_columns(plain)
    asked: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in names()]
    gain = {"base": "at2po", "base_options": {"against": "parent"}}
    asked += [("modulate", {**base, "by": by}) for by in ("aem-like", "carl-like") for base in ({}, gain)]
    for name, options in asked:
        batch = plain if get(name).needs <= {"verifier", "advantage"} else recorded
        target = None if name in SOLVES else 2e6 if name in CLOSED_FORM else 1e6

        def run(
            name: str = name, options: Mapping[str, Any] = MappingProxyType(options), batch: EpisodeBatch = batch
        ) -> float:
            score(_fresh(batch), name, **options)
            return STEPS

        told = f" of {options.get('base', 'grpo')}, {options['by']}" if options else ""
        yield Measurement(f"scorer {name}{told}", "steps/s", target, run)


def _fresh(batch: EpisodeBatch) -> EpisodeBatch:
    """The batch anew, so that no cached index is measured."""
    return replace(batch)


def gigpo_against_loops() -> Iterator[Measurement]:
    """The state-grouped returns of GiGPO written as loops over steps, for the ratio; 12,800 rows."""
    batch = synthetic_batch(12_800)

    def vectorised() -> float:
        score(_fresh(batch), "gigpo")
        return batch.num_steps

    def loops() -> float:
        _gigpo_by_loops(batch)
        return batch.num_steps

    yield Measurement("gigpo, 12,800 rows", "steps/s", 1e6, vectorised)
    yield Measurement("gigpo as loops over steps, 12,800 rows", "steps/s", None, loops)


def _gigpo_by_loops(batch: EpisodeBatch, discount: float = 0.95) -> list[float]:
    returns = [0.0] * batch.num_steps
    members: dict[tuple[int, int], list[int]] = {}
    for episode in range(batch.num_episodes):
        total = 0.0
        for i in range(int(batch.offsets[episode + 1]) - 1, int(batch.offsets[episode]) - 1, -1):
            total = float(batch.reward[i]) + discount * total
            returns[i] = total
            members.setdefault((int(batch.group[episode]), int(batch.state[i])), []).append(i)
    credit = [0.0] * batch.num_steps
    for steps in members.values():
        values = [returns[i] for i in steps]
        mean, spread = statistics.fmean(values), statistics.pstdev(values)
        for i in steps:
            credit[i] = (returns[i] - mean) / (spread + 1e-6)
    return credit


def text_environment() -> Iterator[Measurement]:
    """One text environment in one process: raw, seeded resets, wrapped, forked."""
    raw: Any = gym.make("credit/Stochastic-v0").unwrapped
    wrapped = AssignCredit(
        RecordEpisodes(RecordVerifier(gym.make("credit/Stochastic-v0")), group_size=64, keep=0),
        scorer="branch_aware",
        group_size=64,
    )

    def steps(env: Any, count: int) -> Callable[[], float]:
        def run() -> float:
            _, info = env.reset(seed=0)
            actions, step = info["admissible_actions"], env.step
            number = 0
            for number in range(count):
                _, _, terminated, truncated, info = step(actions[number % len(actions)])
                if terminated or truncated:
                    _, info = env.reset()
                actions = info["admissible_actions"]
            return number + 1

        return run

    yield Measurement("text environment, raw, resets at episode ends included", "steps/s", 5e5, steps(raw, 200_000))
    yield Measurement("text environment, resets with a seed each", "resets/s", 1.5e5, resets(raw, 50_000))
    yield Measurement("text environment, clone_state + restore_state", "forks/s", 1e5, forks(raw, 50_000))
    yield Measurement("three wrappers, branch_aware on groups of 64", "steps/s", 2e5, steps(wrapped, 100_000))


def vector_environment() -> Iterator[Measurement]:
    """The native vector environment, 16,384 copies, actions as indices."""
    copies, turns = 16_384, 50
    for observation in ("index", "text"):
        env: Any = gym.make_vec("credit/Stochastic-v0", num_envs=copies, observation=observation)
        actions = np.zeros(copies, dtype=np.int64)

        def run(env: Any = env, actions: Any = actions) -> float:
            env.reset(seed=0)
            for _ in range(turns):
                env.step(actions)
            return copies * turns

        yield Measurement(f"vector environment, {observation} observations", "transitions/s", 1e7, run)


def table_one() -> Iterator[Measurement]:
    """Table 1 whole (both environments, every scorer, 15 x 20 x 64) on two processes."""

    def run() -> float:
        return float(sum(len(stochastic.run(env_id, workers=2)) for env_id in stochastic.LAMBDAS))

    yield Measurement("Table 1 whole, two processes", "s", 20.0, run, "time", lower_is_better=True)


def importing() -> Iterator[Measurement]:
    """``import credit_gym`` in a new interpreter, the interpreter's own start included."""

    def run() -> float:
        return float(subprocess.run([sys.executable, "-c", "import credit_gym"], check=True).returncode)

    yield Measurement("python -c 'import credit_gym'", "s", 0.5, run, "time", lower_is_better=True)


SECTIONS = (
    importing,
    text_environment,
    alfworld,
    webshop,
    webshop_index,
    vector_environment,
    gigpo_against_loops,
    scorer_rates,
    partial(memory, synthetic_batch),
    store,
    table_one,
    replay,
    games,
    served,
    likelihood,
    training,
)


def main(
    only: Annotated[str, typer.Option(help="Measure only lines whose name contains this.")] = "",
    repeats: Annotated[int, typer.Option(help="Counted runs of each line.")] = 5,
    json: JsonFile = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the table here.")] = None,
    against: Annotated[Path | None, typer.Option(help="An earlier table or JSON file: say what fell.")] = None,
) -> None:
    """Measure and print every rate."""
    before = {} if against is None else read_values(against)
    rows, results = [], {}
    kept: dict[str, float] = {}
    for section in SECTIONS:
        for line in section():
            if only not in line.name:
                continue
            value = line.measure(repeats)
            ratio = line.ratio(value)
            if before.get(line.name):
                kept[line.name] = kept_of(line, value, before[line.name])
            results[line.name] = {"value": value, "unit": line.unit, "target": line.target, "ratio": ratio}
            shown = f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
            rows.append((line.name, shown, line.unit, *_against(line, ratio)))
    table = Table("Speed", ("what", "median", "unit", "target", "ratio"), tuple(rows))
    show(table)
    if against is not None:
        show(_changes(kept, against))
    if markdown:
        page = PAGE.format(
            repeats=repeats, cores=os.cpu_count(), python=platform.python_version(), numpy=np.__version__
        )
        markdown.write_text(page + to_markdown(replace(table, title="")), encoding="utf-8")
    if json:
        save_json(json, {"baseline": "speed", "repeats": repeats}, results)


def _changes(kept: dict[str, float], against: Path) -> Table:
    rows = [(name, f"{share:.2f}x", "fell" if share < FELL else "") for name, share in kept.items()]
    fallen = sum(bool(row[2]) for row in rows)
    return Table(
        f"Against {against}: {fallen} of {len(rows)} lines fell by more than a tenth", ("what", "is", ""), tuple(rows)
    )


def _against(line: Measurement, ratio: float | None) -> tuple[str, str]:
    return ("", "") if line.target is None or ratio is None else (f"{line.target:,g}", f"{ratio:.2f}x")


if __name__ == "__main__":
    run_command(main)
