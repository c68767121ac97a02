"""What there is to choose from: environments, scorers and the columns of an episode."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Annotated

import gymnasium as gym
import typer

from credit_gym.cli.app import app, show, typed

_MARKUP = re.compile(r":\w+:(?=`)")  # of a docstring: what a name in backticks is


@app.command(epilog="Example: credit-gym envs credit/Diagnostic-v0")
def envs(env: Annotated[str | None, typer.Argument(help="Show the details of this one.")] = None) -> None:
    """List the environments, or describe one with its arguments."""
    from credit_gym.registration import ENVIRONMENTS, unknown_environment
    from credit_gym.report import Table

    if env is None:
        rows = tuple((spec.id, "yes" if spec.vector_entry_point else "", spec.summary) for spec in ENVIRONMENTS)
        show(Table("Environments", ("id", "native vector", "summary"), rows))
        return
    import inspect

    from gymnasium.envs.registration import load_env_creator

    from credit_gym.data.action_format import describe
    from credit_gym.data.declarations import declaration

    typed([env])
    module, _, env = env.rpartition(":")
    try:
        if module:
            import_module(module)
        entry_point = gym.spec(env).entry_point
    except gym.error.Error:
        raise unknown_environment(env) from None
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    typer.echo(f"{env}\n\n{_MARKUP.sub('', inspect.getdoc(creator) or '')}\n")
    declared = declaration(env)
    form = declared.action_format
    typer.echo(f"An action is a {form.kind.replace('_', ' ')}. {describe(form)}\n")
    for what, rule in declared.rules.items():
        typer.echo(f"{what}: {rule}")
    exact = declared.exact_verifier
    typer.echo(
        f"Its verifier is {'declared exact: the change of an exact potential' if exact else 'not declared exact'}, "
        f"and a moment of it {'can' if declared.forkable else 'cannot'} be cloned.\n"
    )
    show(Table("Info", ("key", "what it says"), tuple(declared.info_keys.items())))
    arguments = [p for p in inspect.signature(creator or dict).parameters.values() if p.kind is not p.VAR_KEYWORD]
    defaults = ("required" if p.default is p.empty else repr(p.default) for p in arguments)
    show(Table("Arguments", ("name", "default"), tuple(zip((p.name for p in arguments), defaults, strict=True))))


@app.command(epilog="Example: credit-gym scorers evidence_lambda")
def scorers(scorer: Annotated[str | None, typer.Argument(help="Show the formula of this one.")] = None) -> None:
    """List the credit scorers, or describe one with its options."""
    from credit_gym.report import Table
    from credit_gym.scorers import get, names

    if scorer is not None:
        import inspect

        spec = get(scorer)
        typer.echo(f"{spec.label}\n\n{_MARKUP.sub('', inspect.getdoc(spec.function) or '')}\n")
        options = tuple((each.name, each.takes, str(each.default).lower()) for each in spec.options.values())
        if options:
            show(Table("Options", ("name", "takes", "default"), options))
        return
    specs = [get(name) for name in names()]
    rows = tuple(
        (
            spec.name,
            spec.label if spec.stand_in else "",
            ", ".join(sorted(spec.needs)),
            spec.scope,
            spec.reference,
            _MARKUP.sub("", spec.summary),
        )
        for spec in specs
    )
    show(Table("Credit scorers", ("name", "stand-in", "needs", "compared within", "reference", "credit"), rows))


@app.command(epilog="Example: credit-gym columns")
def columns() -> None:
    """List the columns of an episode: what they mean, who records them, and where they go."""
    from credit_gym.report.column_table import column_table

    show(column_table())
