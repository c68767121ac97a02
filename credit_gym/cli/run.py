"""Play episodes and keep them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from credit_gym.cli import language_model as lm
from credit_gym.cli import recorded
from credit_gym.cli.app import RUNS, EnvArgs, Options, Out, Scorers, app, asked, find, pairs, settled, show, typed
from credit_gym.cli.stopping import exit_code, marking_the_stopped
from credit_gym.errors import CreditGymError, missing_extra, unknown

if TYPE_CHECKING:
    from credit_gym.agents.core import Player
    from credit_gym.agents.llm.backends import Settings
    from credit_gym.data.episode import Episode
    from credit_gym.store import RunRecord, Store

Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Episodes in play at the same time; by default 64 for a server, 32 for a model, else 1."),
]
Logs = Annotated[
    list[str] | None,
    typer.Option("--log", metavar="KIND[:WHERE]", help="jsonl, tensorboard or wandb; repeatable."),
]
_IN_ONE_PROCESS = ("max_cost", "max_tokens", "rpm", "tpm")


@app.command(
    epilog="Example: credit-gym run --env credit/Stochastic-v0 --agent noisy:0.3 --episodes 64 --group-size 8 "
    "--scorer outcome_only --scorer evidence_lambda"
)
def run(
    env: Annotated[str | None, typer.Option(help="Gymnasium id; `credit-gym envs` lists them.")] = None,
    env_arg: EnvArgs = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help="Who plays: random (default), expert, noisy:0.3, openai:MODEL@URL, hf:FOLDER, module:Class ..."
        ),
    ] = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="How many; 16 by default.")] = None,
    group_size: Annotated[int | None, typer.Option(min=1, help="Episodes of one task; 1 by default.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Fixes every episode; 0 by default.")] = None,
    workers: Workers = None,
    executor: Annotated[str, typer.Option(help="local, or ray: worker processes, here or on a cluster.")] = "local",
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each worker process of ray.")] = 0.0,
    belief: recorded.Belief = None,
    scorer: Scorers = None,
    option: Options = None,
    prompting: lm.Prompting = None,
    temperature: lm.Temperature = None,
    max_cost: lm.MaxCost = None,
    max_tokens: lm.MaxTokens = None,
    price: lm.PriceOption = None,
    rpm: lm.Rpm = None,
    tpm: lm.Tpm = None,
    timeout: lm.Timeout = None,
    retries: lm.Retries = None,
    cache: lm.Cache = None,
    trust_remote_code: lm.TrustRemoteCode = False,
    log: Logs = None,
    out: Out = RUNS,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Play what is missing of a stopped run.")] = None,
) -> None:
    """Play episodes, keep each one as it ends, and score them; by default where groups have several to compare.

    The run's id is printed first. A run that was stopped, by a cap or even by kill -9, goes on with --resume: it keeps
    its settings, and plays what failed or is missing. Caps hold for one command.
    """
    from credit_gym.agents.rollout.run_log import check_logs
    from credit_gym.agents.rollout.runner import open_agent
    from credit_gym.agents.spec import is_code, parse_agent
    from credit_gym.store import sole_use

    check_logs(log or ())
    wanted = asked(scorer, option) if scorer or option else []
    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    if executor in _EXTRAS and find_spec(_EXTRAS[executor]) is None:
        raise missing_extra(_EXTRAS[executor], executor)
    if executor == "local" and gpus:
        raise typer.BadParameter("without worker processes there is nobody to give --gpus to: add --executor ray.")
    policy = {"prompting": prompting, "temperature": temperature}
    limits = {
        "max_cost": max_cost,
        "max_tokens": max_tokens,
        "price": price,
        "rpm": rpm,
        "tpm": tpm,
        "timeout": timeout,
        "retries": retries,
        "cache": cache,
        "trust_remote_code": trust_remote_code or None,
    }
    if resume is None and env is None:
        raise typer.BadParameter("give --env with the id of an environment; `credit-gym envs` lists them.")
    kept = typer.BadParameter(
        "a resumed run keeps its own settings; "
        "give only --workers, --executor, --gpus, --scorer, --option, --log, --out, caps."
    )
    typed([env or ""])
    named = env if env is not None and ":" in env else None  # by its module, which a record alone must not import
    given = (None if named else env, env_arg, episodes, group_size, seed, belief, *policy.values())
    if resume is not None and any(value is not None for value in given):
        raise kept
    stored = None if resume is None else _stored(resume, out)
    if stored is not None and named not in (None, stored[1].env_id):
        raise kept
    code = stored[1].agent_id if stored is not None and is_code(stored[1].agent_id) else None
    if resume is not None and agent is not None and not code:
        raise kept
    if code and agent != code:
        raise typer.BadParameter(
            f"this run is played by code, which a record alone must not start: add --agent {code}."
        )
    spec, seed = (agent or "random", seed or 0) if stored is None else (stored[1].agent_id, stored[1].seed or 0)
    settings = lm.agent_settings(spec, {**policy, **limits}, stored and stored[1].config.get("settings"))
    if executor != "local" and any(getattr(settings, name, None) for name in _IN_ONE_PROCESS):
        raise CreditGymError("Caps and rate limits hold within one process: leave them out, or use --executor local.")
    if stored is None:
        config: Mapping[str, Any] = {
            "arguments": pairs(env_arg),
            "episodes": episodes or 16,
            "group_size": group_size or 1,
        }
        config = {**config, **_settings_config(settings), **({} if belief is None else {"belief": belief})}
    else:
        env, config = stored[1].env_id, stored[1].config
    recorded.check_recorded(
        wanted,
        str(env),
        config["arguments"],
        belief=config.get("belief"),
        prompting=None if settings is None else settings.prompting,
        logprobs=settings is not None or is_code(spec),
        group_size=config["group_size"],
    )
    make_agent = partial(parse_agent, spec, seed=seed, settings=settings)
    with open_agent(make_agent()) as player:
        if stored is None:
            stored = _new(str(env), config, spec, seed, out)
        store, record = stored
        if record.config["group_size"] > 1:
            wanted = wanted or asked(None, None)
        with sole_use(store.folder):
            typer.echo(record.run_id)
            store.remove_failed(record.run_id)
            store.finish_run(record.run_id, "running")
            play = partial(EXECUTORS[executor], player, make_agent, workers, gpus)
            try:
                with marking_the_stopped(store):
                    reason = _play(store, record, settings, log or (), play)
            except KeyboardInterrupt as error:
                typer.echo(f"Interrupted; go on with: credit-gym run --out {out} --resume {record.run_id}", err=True)
                raise typer.Exit(exit_code(error)) from None
            _finish(store, record.run_id, reason, wanted, out)


def _settings_config(settings: Settings | None) -> dict[str, Any]:
    """Return what a run's configuration keeps of its agent's settings: all of them; a key is not among them."""
    from credit_gym.agents.llm.backends import settings_record

    return {} if settings is None else {"settings": settings_record(settings)}


def _stored(name: str, runs: Path) -> tuple[Store, RunRecord]:
    store, run_id = find(name, runs)
    record = store.run(run_id)
    if "imported" in record.config:
        raise CreditGymError(f"{run_id} was imported: nothing in it is missing that could be played here.")
    if "episodes" not in record.config:
        raise CreditGymError(f"{run_id} is a cell of a sweep: resume it with `credit-gym sweep --resume`.")
    return store, record


def _new(env: str, config: Mapping[str, Any], agent: str, seed: int, runs: Path) -> tuple[Store, RunRecord]:
    """Record a run that is about to start."""
    from credit_gym.store import new_run

    store, run_id = new_run(runs, env_id=env, agent_id=agent, config=config, seed=seed)
    return store, store.run(run_id)


def _play(
    store: Store,
    record: RunRecord,
    settings: Settings | None,
    logs: Sequence[str],
    play: Callable[..., object],
) -> str | None:
    """Play what is missing of a run, every episode in the store once it ended; return what stopped it, if it was."""
    from credit_gym.agents.rollout.run_log import episode_log, open_logs
    from credit_gym.agents.rollout.run_state import stop_reason
    from credit_gym.store import keep

    done = frozenset(store.episode_ids(record.run_id))
    about = {"env": record.env_id, "agent": record.agent_id, "seed": record.seed, **record.config}
    with open_logs(logs, store.folder, name=record.run_id, config=about) as write:
        note, reasons = episode_log(write, done=len(done)), list[str]()

        def sink(episode: Episode) -> None:
            keep(store, record.run_id, episode)
            note(episode)
            if not reasons and (reason := stop_reason([episode])) is not None:
                reasons.append(reason)

        play(
            partial(
                recorded.believing,
                record.env_id,
                record.config["arguments"],
                record.config.get("belief"),
                None if settings is None else settings.prompting,
            ),
            episodes=record.config["episodes"],
            group_size=record.config["group_size"],
            seed=record.seed or 0,
            sink=sink,
            resume_done=done,
            returned=False,
        )
        return reasons[0] if reasons else None


def _local(
    agent: Player, _: Callable[[], Player], workers: int | None, __: float, make_env: Callable[[], Any], **options: Any
) -> list[Episode]:
    from credit_gym.agents.rollout.runner import run_episodes, usual_workers

    return run_episodes(make_env, agent, workers=workers or usual_workers(agent), **options)


def _ray(
    agent: Player,
    make_agent: Callable[[], Player],
    workers: int | None,
    gpus: float,
    make_env: Callable[[], Any],
    **options: Any,
) -> list[Episode]:
    from credit_gym.agents.rollout.ray_runner import run_on_ray
    from credit_gym.agents.rollout.ray_tasks import Workers

    crew = Workers(count=workers or os.cpu_count() or 1, gpus=gpus)
    return run_on_ray(make_env, make_agent, agent_id=agent.name, workers=crew, **options)


EXECUTORS: dict[str, Callable[..., list[Episode]]] = {"local": _local, "ray": _ray}
"""Where episodes are played."""

_EXTRAS = {"ray": "ray"}
"""Executor, and extra -> the module that it needs."""


def _finish(
    store: Store, run_id: str, reason: str | None, scorers: Sequence[tuple[str, dict[str, Any]]], out: Path
) -> None:
    """Note how a run ended, score it and say what came of it."""
    from credit_gym.credit.stored_runs import score_run
    from credit_gym.report.run_summary import summary

    store.finish_run(run_id, "finished" if reason is None else "stopped")
    played, ended = store.episodes(run_id), store.outcomes(run_id)
    if ended.completed:
        wanted = settled(scorers, played)
        for name, options in wanted:
            score_run(store, run_id, played, name, options)
        failures = f", {ended.errors} did not complete" if ended.errors else ""
        solved = f"{ended.solved} solved ({ended.solved / ended.completed:.1%})"
        typer.echo(f"{ended.completed} episodes, {solved}, {ended.steps} steps{failures}")
        if wanted:
            show(summary(store, run_id, played, wanted))
    if reason is not None:
        typer.echo(f"Stopped: {reason} Then: credit-gym run --out {out} --resume {run_id}", err=True)
        raise typer.Exit(1)
    if not ended.completed:
        raise CreditGymError(f"None of the {len(played)} episodes completed; the first one says: {played[0].error}")
