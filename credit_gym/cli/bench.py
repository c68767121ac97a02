"""Compare agents on environments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from credit_gym.cli import language_model as lm
from credit_gym.cli.app import RUNS, EnvArgs, Out, TableFormat, app, environment, find, pairs, table_writer, typed
from credit_gym.cli.recorded import check_groups
from credit_gym.cli.run import Logs, Workers
from credit_gym.cli.stopping import exit_code, marking_the_stopped
from credit_gym.errors import CreditGymError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from credit_gym.store import RunRecord, Store


@app.command(
    epilog="Example: credit-gym bench --agent random --agent noisy:0.3 --env credit/Stochastic-v0 "
    "--env credit/WebShop-v0 --episodes 50"
)
def bench(
    agent: Annotated[
        list[str] | None,
        typer.Option(help="Who plays, as in `credit-gym run`; repeatable.", metavar="[LABEL=]AGENT"),
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="Gymnasium id; repeatable.")] = None,
    env_arg: EnvArgs = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="Of each pair; 50 by default.")] = None,
    group_size: Annotated[int | None, typer.Option(min=1, help="Episodes of one task; 1 by default.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Fixes every episode; 0 by default.")] = None,
    workers: Workers = None,
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
    to: TableFormat = "terminal",
    out: Out = RUNS,
    resume: Annotated[str | None, typer.Option(metavar="GROUP", help="Play what is missing of a stopped one.")] = None,
) -> None:
    """Compare agents on environments: success with its interval, return, errors apart, steps, tokens, cost, time.

    Every two agents are compared on the tasks and seeds that both played, and --group-size gives pass@k and pass^k. The
    group's id is printed first. Options for language models are for those among the agents, and a cap is for each of
    them over all environments.
    """
    from credit_gym.agents.rollout.bench import bench_config, bench_tables, run_bench
    from credit_gym.agents.rollout.run_log import check_logs, open_logs
    from credit_gym.agents.spec import parse_agent
    from credit_gym.store import sole_use

    typed(env or ())
    table_writer(to)
    check_logs(log or ())
    limits: dict[str, Any] = {
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
    if resume is None:
        options = {"prompting": prompting, "temperature": temperature, **limits}
        wanted = {
            "arguments": pairs(env_arg),
            "episodes": episodes or 50,
            "group_size": group_size or 1,
            "seed": seed or 0,
        }
        store, group_id = _new_bench(agent or (), env or (), wanted, options, out)
    elif any(given is not None for given in (agent, env, env_arg, episodes, group_size, seed, prompting, temperature)):
        raise typer.BadParameter(
            "a resumed benchmark keeps its own settings; give only --workers, --log, --to, --out and limits."
        )
    else:
        store, group_id = find(resume, out)
    config = bench_config(store, group_id)
    settings = {
        spec: lm.read_settings(record, prompting=None, temperature=None, **limits)
        for spec, record in config["settings"].items()
    }
    typer.echo(group_id)
    with sole_use(store.folder), open_logs(log or (), store.folder, name=group_id, config=config) as write:
        count = 0

        def note(record: RunRecord, measures: Mapping[str, Any]) -> None:
            nonlocal count
            count += 1
            named = {f"{record.env_id}/{record.agent_id}/{name}": value for name, value in measures.items()}
            write(count, named)

        try:
            with marking_the_stopped(store):
                reason = run_bench(
                    store,
                    group_id,
                    make_env=lambda env_id: partial(environment, env_id, config.get("arguments", {})),
                    make_agent=lambda spec: parse_agent(spec, seed=config["seed"], settings=settings.get(spec)),
                    workers=workers,
                    on_pair=note,
                )
        except KeyboardInterrupt as error:
            typer.echo(f"Interrupted; go on with: credit-gym bench --out {out} --resume {group_id}", err=True)
            raise typer.Exit(exit_code(error)) from None
    for table in bench_tables(store, group_id):
        table_writer(to)(table)
    empty = _say_failures(store, group_id)
    if reason is not None:
        typer.echo(f"Stopped: {reason} Then: credit-gym bench --out {out} --resume {group_id}", err=True)
    elif empty:
        typer.echo(f"Play them again with: credit-gym bench --out {out} --resume {group_id}", err=True)
    if empty or reason is not None:
        raise typer.Exit(1)


def _say_failures(store: Store, group_id: str) -> bool:
    """Say of each pair why episodes did not complete; return whether there is a pair of which none did."""
    from credit_gym.agents.rollout.bench import failures
    from credit_gym.report.text import one_line

    failed = failures(store, group_id)
    for record, completed, errors, first in failed:
        typer.echo(
            f"{record.env_id}, {record.agent_id}: {errors} of {completed + errors} episodes did not complete; "
            f"the first one says: {one_line(first)}",
            err=True,
        )
    return any(not completed for _, completed, _, _ in failed)


def _new_bench(
    named: Sequence[str], envs: Sequence[str], config: Mapping[str, Any], options: Mapping[str, Any], runs: Path
) -> tuple[Store, str]:
    """Record a benchmark that is about to start, once it is clear that its environments and agents can be made."""
    from credit_gym.agents.llm.backends import settings_record
    from credit_gym.agents.rollout.runner import open_agent
    from credit_gym.agents.spec import parse_agent
    from credit_gym.store import new_group

    if not named or not envs:
        raise typer.BadParameter("give --agent and --env, each at least once.")
    labels = dict(map(_labelled, named))
    agents = list(labels)
    if len(agents) < len(named) or len({*labels.values()}) < len(named) or len({*envs}) < len(envs):
        raise CreditGymError("An agent or an environment is named twice: name each once.")
    models = {spec: lm.read_settings(None, **options) for spec in agents if lm.is_language_model(spec)}
    if not models:
        lm.refuse_settings(agents[0], options)
    for env_id in envs:
        _check_environment(env_id, config)
    for spec in agents:
        with open_agent(parse_agent(spec, seed=config["seed"], settings=models.get(spec))):
            pass
    who = {
        "agents": agents,
        "labels": {spec: label for spec, label in labels.items() if label != spec},
        "environments": list(envs),
        "settings": {spec: settings_record(each) for spec, each in models.items()},
    }
    return new_group(runs, {**who, **config})


def _labelled(agent: str) -> tuple[str, str]:
    """The spec and the label of an agent; a label ends at the first "=" and has no colon, as a model's address has."""
    label, equals, spec = agent.partition("=")
    return (spec, label) if equals and label and spec and ":" not in label else (agent, agent)


def _check_environment(env_id: str, config: Mapping[str, Any]) -> None:
    """Refuse an environment that cannot be made, or that has no tasks to play again where groups need them."""
    env = environment(env_id, config["arguments"])
    env.close()
    check_groups(env, env_id, config["group_size"])
