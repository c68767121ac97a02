"""Agents x environments: who solves how much, how surely, in how many steps, for how many tokens, dollars, seconds.

Every pair of an agent and an environment is a run of one group in the store. All agents of an environment play the
same tasks with the same seeds. An episode that did not complete (a server, a cap) is counted apart and is never a
failure of the task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from scipy.stats import binomtest

from credit_gym.agents.core import Player
from credit_gym.agents.rollout.progress_bar import token_count
from credit_gym.agents.rollout.run_state import stop_reason
from credit_gym.agents.rollout.runner import open_agent, run_episodes, usual_workers
from credit_gym.agents.rollout.turns import MakeEnv
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.report import Table
from credit_gym.store import RunRecord, Store, keep

COLUMNS = (
    "environment",
    "agent",
    "episodes",
    "errors",
    "success",
    "95% low",
    "95% high",
    "steps",
    "tokens",
    "dollars",
    "seconds",
)
"""Of the table: completed episodes and those that failed to complete; the share solved of the completed ones with
Wilson's interval; mean steps and tokens of a completed episode; dollars and seconds of the whole pair."""

OnPair = Callable[[RunRecord, Mapping[str, Any]], object]


class Rate(NamedTuple):
    """A share with Wilson's 95 % interval."""

    value: float
    low: float
    high: float


def run_bench(
    store: Store,
    group_id: str,
    *,
    make_env: Callable[[str], MakeEnv],
    make_agent: Callable[[str], Player],
    workers: int | None = None,
    progress: bool | None = None,
    on_pair: OnPair | None = None,
) -> str | None:
    """Play every pair of a group that is not done yet; what failed is played again.

    Args:
        store: where the group is; its configuration has ``agents``, ``environments``, ``episodes`` and ``seed``.
        group_id: the group.
        make_env: environment -> what makes one.
        make_agent: agent's spec -> the agent; it is made once and plays all its environments, so its caps hold for all
            of them together.
        workers: episodes in play at the same time.
        progress: whether to show a progress bar for each pair.
        on_pair: called with the run and the measures of each pair as it ends.

    Returns:
        Why the last agent that ran into a cap stopped, None if none did.

    Raises:
        CreditGymError: the group is no benchmark.
    """
    config = bench_config(store, group_id)
    reason = None
    for spec in config["agents"]:
        with open_agent(make_agent(spec)) as agent:
            for env_id in config["environments"]:
                record = _run_of(store, group_id, env_id, spec)
                if _is_done(store, record):
                    continue
                stopped = _play_pair(store, record, make_env(env_id), agent, workers, progress)
                if on_pair is not None:
                    on_pair(record, pair_measures(store, record))
                if stopped is not None:
                    reason = stopped
                    break
    return reason


def bench_config(store: Store, group_id: str) -> Mapping[str, Any]:
    """Return the configuration of a benchmark.

    Raises:
        CreditGymError: the group is a sweep.
    """
    config = store.group(group_id).config
    if "agents" not in config:
        raise CreditGymError(f"{group_id} is a sweep, not a benchmark: resume it with `credit-gym sweep --resume`.")
    return config


def bench_table(store: Store, group_id: str) -> Table:
    """Return the table of what is in the store; pairs that have not begun are left out."""
    rows = []
    for record in _pairs(store, group_id):
        measures = pair_measures(store, record)
        rows.append((record.env_id, record.agent_id, *(measures[name] for name in COLUMNS[2:])))
    return Table(f"{group_id}: success with Wilson's 95 % interval", COLUMNS, tuple(rows))


def pair_measures(store: Store, record: RunRecord) -> dict[str, Any]:
    """Return the measures of a pair, by their names in :data:`COLUMNS`; None where nothing says."""
    seconds = store.results(str(record.group_id)).get(record.run_id, {}).get("seconds")
    return {**measures(store.load_episodes(record.run_id)), "seconds": seconds}


def measures(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Return the measures of some episodes that do not need a clock."""
    completed = [episode for episode in episodes if episode.error is None]
    rate = wilson(sum(episode.success for episode in completed), len(completed))
    counted = [token_count(episode) for episode in completed if "completion_tokens" in episode.usage]
    dollars = [episode.usage["dollars"] for episode in episodes if "dollars" in episode.usage]
    return {
        "episodes": len(completed),
        "errors": len(episodes) - len(completed),
        "success": rate.value,
        "95% low": rate.low,
        "95% high": rate.high,
        "steps": _mean([len(episode) for episode in completed]),
        "tokens": _mean(counted),
        "dollars": sum(dollars) if dollars else None,
    }


def wilson(successes: int, trials: int) -> Rate:
    """Return a share with its 95 % score interval (Wilson, 1927), NaN without trials."""
    if not trials:
        return Rate(float("nan"), float("nan"), float("nan"))
    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Rate(successes / trials, float(interval.low), float(interval.high))


def _pairs(store: Store, group_id: str) -> Iterator[RunRecord]:
    """The runs of a group, in the order of the table: by environment, then by agent."""
    config = bench_config(store, group_id)
    runs = {(record.env_id, record.agent_id): record for record in store.runs(group_id)}
    for env_id in config["environments"]:
        for spec in config["agents"]:
            if (env_id, spec) in runs:
                yield runs[env_id, spec]


def _run_of(store: Store, group_id: str, env_id: str, spec: str) -> RunRecord:
    """The run of a pair, recorded now if it has not begun yet."""
    for record in _pairs(store, group_id):
        if (record.env_id, record.agent_id) == (env_id, spec):
            return record
    config = store.group(group_id).config
    settings = config["settings"].get(spec)
    run_id = store.start_run(
        env_id=env_id,
        agent_id=spec,
        config={
            "arguments": {},
            "episodes": config["episodes"],
            "group_size": 1,
            **({} if settings is None else {"settings": settings}),
        },
        seed=config["seed"],
        group_id=group_id,
    )
    return store.run(run_id)


def _is_done(store: Store, record: RunRecord) -> bool:
    if record.status != "finished":
        return False
    episodes = store.load_episodes(record.run_id)
    return len(episodes) == record.config["episodes"] and all(episode.error is None for episode in episodes)


def _play_pair(
    store: Store, record: RunRecord, make_env: MakeEnv, agent: Player, workers: int | None, progress: bool | None
) -> str | None:
    store.remove_failed(record.run_id)
    start, status = time.perf_counter(), "interrupted"
    reason = None
    try:
        played = run_episodes(
            make_env,
            agent,
            episodes=record.config["episodes"],
            seed=record.seed or 0,
            workers=workers or usual_workers(agent),
            sink=lambda episode: keep(store, record.run_id, episode),
            progress=progress,
            resume_done=frozenset(store.episode_ids(record.run_id)),
        )
        reason = stop_reason(played)
        status = "finished" if reason is None else "stopped"
    finally:
        before = store.results(str(record.group_id)).get(record.run_id, {}).get("seconds", 0.0)
        spent = {"seconds": before + time.perf_counter() - start}
        store.set_result(str(record.group_id), record.run_id, spent)
        store.finish_run(record.run_id, status)
    return reason


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
