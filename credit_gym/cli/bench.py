"""Compare agents on environments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from credit_gym.cli import language_model as lm
from credit_gym.cli.app import RUNS, Out, TableFormat, app, environment, find, table_writer
from credit_gym.cli.run import Logs, Workers
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
    agent: Annotated[list[str] | None, typer.Option(help="Who plays, as in `credit-gym run`; repeatable.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="Gymnasium id; repeatable.")] = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="Of each pair; 50 by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Fixes every episode; 0 by default.")] = None,
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
    """Compare agents on environments: success with Wilson's interval, errors apart, steps, tokens, cost, time.

    The group's id is printed first. Options for language models are for those among the agents, and a cap is for each
    of them over all environments.
    """
    from credit_gym.agents.rollout.bench import bench_config, run_bench
    from credit_gym.agents.rollout.run_log import check_logs, open_logs
    from credit_gym.agents.spec import parse_agent
    from credit_gym.store import sole_use

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
        store, group_id = _new_bench(agent or (), env or (), episodes or 50, seed or 0, options, out)
    elif any(value is not None for value in (agent, env, episodes, seed, prompting, temperature)):
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
        pairs = 0

        def note(record: RunRecord, measures: Mapping[str, Any]) -> None:
            nonlocal pairs
            pairs += 1
            named = {f"{record.env_id}/{record.agent_id}/{name}": value for name, value in measures.items()}
            write(pairs, named)

        try:
            reason = run_bench(
                store,
                group_id,
                make_env=lambda env_id: partial(environment, env_id, {}),
                make_agent=lambda spec: parse_agent(spec, seed=config["seed"], settings=settings.get(spec)),
                workers=workers,
                on_pair=note,
            )
        except KeyboardInterrupt:
            typer.echo(f"Interrupted; go on with: credit-gym bench --out {out} --resume {group_id}", err=True)
            raise typer.Exit(130) from None
    show_bench(store, group_id, to)
    if reason is not None:
        typer.echo(f"Stopped: {reason} Then: credit-gym bench --out {out} --resume {group_id}", err=True)
        raise typer.Exit(1)


def show_bench(store: Store, group_id: str, to: str) -> None:
    """Print the table of a benchmark."""
    from credit_gym.agents.rollout.bench import bench_table

    table_writer(to)(bench_table(store, group_id))


def _new_bench(
    agents: Sequence[str], envs: Sequence[str], episodes: int, seed: int, options: Mapping[str, Any], runs: Path
) -> tuple[Store, str]:
    """Record a benchmark that is about to start, once it is clear that its environments and agents can be made."""
    from credit_gym.agents.llm.backends import settings_record
    from credit_gym.agents.rollout.runner import open_agent
    from credit_gym.agents.spec import parse_agent
    from credit_gym.store import new_group

    if not agents or not envs:
        raise typer.BadParameter("give --agent and --env, each at least once.")
    if len({*agents}) < len(agents) or len({*envs}) < len(envs):
        raise CreditGymError("An agent or an environment is named twice: name each once.")
    models = {spec: lm.read_settings(None, **options) for spec in agents if lm.is_language_model(spec)}
    if not models:
        lm.refuse_settings(agents[0], options)
    for env_id in envs:
        environment(env_id, {}).close()
    for spec in agents:
        with open_agent(parse_agent(spec, seed=seed, settings=models.get(spec))):
            pass
    config = {
        "agents": list(agents),
        "environments": list(envs),
        "episodes": episodes,
        "seed": seed,
        "settings": {spec: settings_record(each) for spec, each in models.items()},
    }
    return new_group(runs, config)
