"""Agents x environments: who solves and earns how much, how surely, in how many steps, for how many tokens and dollars.

Every pair of an agent and an environment is a run of one group in the store. All agents of an environment play the
same tasks with the same seeds. An episode that did not complete (a server, a cap) is counted apart and is never a
failure of the task.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from scipy.stats import binomtest

from credit_gym.agents.core import AsyncAgent, Context, Player
from credit_gym.agents.rollout.progress_bar import token_count
from credit_gym.agents.rollout.run_state import stop_reason
from credit_gym.agents.rollout.runner import open_agent, run_episodes, usual_workers
from credit_gym.agents.rollout.turns import MakeEnv
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError
from credit_gym.metrics.pass_at_k import pass_table
from credit_gym.report import Table
from credit_gym.report.paired_tables import paired_table
from credit_gym.store import RunRecord, Store, keep

COLUMNS = (
    "environment",
    "agent",
    "prompting",
    "episodes",
    "errors",
    "success",
    "95% low",
    "95% high",
    "return",
)
"""Of the first table: completed episodes and those that failed to complete; the share solved of the completed ones
with Wilson's interval; their mean return, which is the grade where an environment grades."""

COSTS = ("environment", "agent", "steps", "invalid", "tokens", "dollars", "seconds", "latency")
"""Of the second: mean steps of a completed episode, the share of them that were refused, mean tokens; dollars and
seconds of the whole pair; mean seconds that one action was waited for."""

PASSES = ("environment", "agent", "k", "pass@k", "95% low", "95% high", "pass^k", "95% low ", "95% high ", "tasks")
"""Of the third, where groups have several episodes."""

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


def bench_tables(store: Store, group_id: str) -> list[Table]:
    """Return the tables of what is in the store; pairs that have not begun are left out.

    How good, at what cost, pass@k and pass^k where groups have several episodes, and every two agents compared on the
    tasks and seeds that both completed (:mod:`credit_gym.metrics.paired`).
    """
    labels = bench_config(store, group_id).get("labels", {})
    good, costs, passes = [], [], []
    played: dict[str, dict[str, Sequence[Episode]]] = {}
    for record in _pairs(store, group_id):
        episodes = store.load_episodes(record.run_id)
        label = labels.get(record.agent_id, record.agent_id)
        played.setdefault(record.env_id, {})[label] = episodes
        found = {"environment": record.env_id, "agent": label, **pair_measures(store, record, episodes)}
        good.append(tuple(found[name] for name in COLUMNS))
        costs.append(tuple(found[name] for name in COSTS))
        passes += [(record.env_id, label, *row) for row in _passes(episodes, record.config["group_size"])]
    tables = [
        Table(f"{group_id}: success with Wilson's 95 % interval, mean return", COLUMNS, tuple(good)),
        Table("What it took", COSTS, tuple(costs)),
        Table("At least once, and every time, in k attempts at a task", PASSES, tuple(passes)),
        paired_table("First minus second on the same tasks and seeds; p by sign test", played),
    ]
    return tables[:2] + [table for table in tables[2:] if table.rows]


def pair_measures(store: Store, record: RunRecord, episodes: Sequence[Episode] | None = None) -> dict[str, Any]:
    """Return the measures of a pair, by their names in :data:`COLUMNS` and :data:`COSTS`; None where nothing says.

    Args:
        store: where it is.
        record: the pair's run.
        episodes: of the run, where they are loaded already.
    """
    clock = store.results(str(record.group_id)).get(record.run_id, {})
    asked = clock.get("actions")
    return {
        **measures(store.load_episodes(record.run_id) if episodes is None else episodes),
        "prompting": record.config.get("settings", {}).get("prompting", {}).get("name"),
        "seconds": clock.get("seconds"),
        "latency": clock["waited"] / asked if asked else None,
    }


def failures(store: Store, group_id: str) -> list[tuple[RunRecord, int, int, str]]:
    """Return the pairs with episodes that did not complete: run, how many did, how many did not, the first error."""
    found = []
    for record in _pairs(store, group_id):
        episodes = store.load_episodes(record.run_id)
        errors = [episode.error for episode in episodes if episode.error is not None]
        if errors:
            found.append((record, len(episodes) - len(errors), len(errors), errors[0]))
    return found


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
        "return": _mean([episode.episode_return for episode in completed]),
        "invalid": _mean([flag for episode in completed for flag in episode.invalid or ()]),
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
            "arguments": config.get("arguments", {}),
            "episodes": config["episodes"],
            "group_size": config.get("group_size", 1),
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
    store.finish_run(record.run_id, "running")
    start = time.perf_counter()
    timed = _timed(agent)
    try:
        played = run_episodes(
            make_env,
            timed,
            episodes=record.config["episodes"],
            group_size=record.config["group_size"],
            seed=record.seed or 0,
            workers=workers or usual_workers(agent),
            sink=lambda episode: keep(store, record.run_id, episode),
            progress=progress,
            resume_done=frozenset(store.episode_ids(record.run_id)),
        )
    except BaseException as error:
        store.finish_run(record.run_id, "interrupted" if type(error) is KeyboardInterrupt else "stopped")
        raise
    finally:
        spent = {"seconds": time.perf_counter() - start, "waited": timed.waited, "actions": timed.actions}
        before = store.results(str(record.group_id)).get(record.run_id, {})
        spent = {name: before.get(name, 0.0) + value for name, value in spent.items()}
        store.set_result(str(record.group_id), record.run_id, spent)
    reason = stop_reason(played)
    store.finish_run(record.run_id, "finished" if reason is None else "stopped")
    return reason


class _Clock:
    """An agent, and how long its actions were waited for.

    Attributes:
        name: the agent's.
        actions: how many there were.
        waited: seconds, of all of them together.
    """

    def __init__(self, agent: Any) -> None:
        self._agent, self.name = agent, agent.name
        self.actions, self.waited = 0, 0.0
        self._lock = threading.Lock()

    def _note(self, start: float, actions: int) -> None:
        with self._lock:
            self.actions += actions
            self.waited += (time.perf_counter() - start) * actions


class _TimedAgent(_Clock):
    def act(self, contexts: Sequence[Context], /) -> Sequence[str]:
        start = time.perf_counter()
        actions: Sequence[str] = self._agent.act(contexts)
        self._note(start, len(contexts))
        return actions


class _TimedAsyncAgent(_Clock):
    async def act_async(self, context: Context, /) -> str:
        start = time.perf_counter()
        action: str = await self._agent.act_async(context)
        self._note(start, 1)
        return action

    async def close(self) -> None:
        await self._agent.close()


def _timed(agent: Player) -> _TimedAgent | _TimedAsyncAgent:
    return _TimedAsyncAgent(agent) if isinstance(agent, AsyncAgent) else _TimedAgent(agent)


def _passes(episodes: Sequence[Episode], group_size: int) -> list[tuple[Any, ...]]:
    """pass@k and pass^k with their intervals for k of 1, 2, 4 ... and the size of a group."""
    if group_size < 2:
        return []
    ks = sorted({*(2**i for i in range(group_size.bit_length())), group_size})
    rates = pass_table(episodes, [k for k in ks if k <= group_size])
    return [
        (k, *rates[f"pass@{k}"][:3], *rates[f"pass^{k}"][:3], rates[f"pass^{k}"].tasks)
        for k in ks
        if f"pass@{k}" in rates
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
