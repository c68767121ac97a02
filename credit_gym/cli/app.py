"""The application that the commands register with, and what they share: options, stores, tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import gymnasium as gym
import typer
from typer.core import TyperGroup

from credit_gym import __version__
from credit_gym.cli.stopping import exit_code
from credit_gym.errors import CreditGymError, ForeignTextError, unknown
from credit_gym.registration import unknown_environment
from credit_gym.report.command import one_sentence

if TYPE_CHECKING:
    from credit_gym.data.episode import Episode
    from credit_gym.data.keys import Key
    from credit_gym.report import Table
    from credit_gym.store import Store

RUNS = Path("runs")
MODEL_ARGUMENTS = ("answerer", "judge", "user")
"""Arguments of environments that want a function from a chat to a language model's answer."""
RunsDir = Annotated[Path, typer.Option(help="Folder of all runs; each has its own folder there.")]
Out = Annotated[Path, typer.Option("--out", "--runs-dir", help="Folder of all runs.")]
EnvArgs = Annotated[list[str] | None, typer.Option("--env-arg", metavar="KEY=VALUE", help="Argument; repeatable.")]
Scorers = Annotated[
    list[str] | None,
    typer.Option("--scorer", help="A scorer's name, or module:name; repeatable; evidence_lambda by default."),
]
Options = Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Of the scorer; repeatable.")]
TableFormat = Annotated[str, typer.Option("--to", help="Tables for the terminal, or in markdown, latex or html.")]


class _OneSentence(TyperGroup):
    """Says what went wrong in one sentence on standard error, with exit code 2 and no traceback."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        call = super().main
        one_sentence(lambda: call(*args, **{**extra, "standalone_mode": False}))

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override, unused-ignore]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:  # Typer would make it 130, whatever the signal
            raise typer.Exit(exit_code(stop)) from stop


app = typer.Typer(
    cls=_OneSentence,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="credit_gym: which step of a language-model agent earned the outcome?",
    epilog="Example: credit-gym run --env credit/Stochastic-v0 --agent noisy:0.3 --episodes 64 --group-size 8",
)


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
) -> None:
    """Answer ``--version``, and show the help when no command is given."""
    if version:
        typer.echo(f"credit-gym {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def pairs(texts: Sequence[str] | None) -> dict[str, Any]:
    """Read KEY=VALUE options; a value is what YAML says it is: a number, a truth value, a list, else text."""
    from credit_gym.data.foreign_text import read_yaml

    read = {}
    for key, value in _split(texts).items():
        try:
            read[key] = read_yaml(value)
        except ForeignTextError:
            read[key] = value
    return read


def scorer_options(scorer: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """Read KEY=VALUE options of a scorer, ``key`` among them; a value is what the scorer's signature says it is."""
    from credit_gym.scorers import read_options

    return read_options(scorer, _split(texts), key=True)


def settled(
    wanted: Sequence[tuple[str, dict[str, Any]]], episodes: Sequence[Episode]
) -> Sequence[tuple[str, dict[str, Any]]]:
    """Return scorers with their options, ``key=auto`` replaced by the key that it stands for, which is said.

    Where the default scorer has nothing to go by but outcomes, or not even these, that is said too. Both are told by
    the first part of a long run (:mod:`credit_gym.credit.run_parts`).
    """
    from credit_gym.credit.run_parts import first_part
    from credit_gym.data.keys import choose_key
    from credit_gym.scorers import DEFAULT

    completed = first_part(episodes)
    if any(options.get("key") == "auto" for _, options in wanted):
        chosen = choose_key(completed)
        typer.echo(f"key=auto is {chosen.key}: {chosen.later:.0%} of the steps after the first recur.", err=True)
        own = {"auto": chosen.key}
        wanted = [
            (name, {**options, "key": own.get(options["key"], options["key"])} if "key" in options else options)
            for name, options in wanted
        ]
    for name, options in wanted:
        if name == DEFAULT and (said := _lacking(completed, options.get("key", "state"))):
            typer.echo(f"{name} {said}", err=True)
    return wanted


def say_plainness(
    store: Store, run_id: str, episodes: Sequence[Episode], wanted: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    """Say which scorers leave the steps of an episode alike; of the default one it was said."""
    from credit_gym.credit.plainness import plainness
    from credit_gym.credit.stored_runs import label, run_credits
    from credit_gym.scorers import DEFAULT

    for name, options in wanted:
        if name != DEFAULT:
            credits = run_credits(store, run_id, episodes, name, options)
            if said := plainness(episodes, credits, options.get("key", "state")):
                typer.echo(f"{label(name, options)} {said}", err=True)


def _lacking(episodes: Sequence[Episode], key: Key) -> str:
    """What the default scorer does for want of evidence, as the end of a sentence; empty where there is some."""
    from credit_gym.data.keys import measure_key

    read = any(not math.isnan(value) for episode in episodes for value in episode.verifier or ())
    if not episodes or (read and all(episode.exact_verifier for episode in episodes)):
        return ""
    if len({episode.group_id for episode in episodes}) == len(episodes):
        return "credits every step as grpo here, which has nothing to compare: each group is one episode."
    if not read and measure_key(episodes, key).later == 0.0:
        return (
            "credits every step after the first as grpo here: there is no verifier and no later state recurs; "
            "`credit-gym advise RUN` says whether another key helps."
        )
    return ""


def _split(texts: Sequence[str] | None) -> dict[str, str]:
    read = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"write KEY=VALUE, not {text!r}.")
        read[key] = value
    return read


def asked(scorers: Sequence[str] | None, texts: Sequence[str] | None) -> list[tuple[str, dict[str, Any]]]:
    """Return the scorers that were given, or else the default one, each with the options."""
    from credit_gym.scorers import DEFAULT

    return [(name, scorer_options(name, texts)) for name in map(_registered, scorers or [DEFAULT])]


def _registered(scorer: str) -> str:
    """The name of a scorer; of ``module:scorer`` the module, which registers it, is imported, as who typed it means."""
    if ":" in scorer:
        from credit_gym.agents.imported import find_agent

        find_agent(scorer)
    return scorer.rpartition(":")[2]


def typed(env_ids: Sequence[str]) -> None:
    """Let the modules of ids such as ``module:mine/Game-v0`` be found here, as somebody who typed them means."""
    if any(":" in env_id for env_id in env_ids):
        from credit_gym.agents.imported import look_here

        look_here()


def environment(env_id: str, arguments: Mapping[str, Any]) -> gym.Env[str, str]:
    """Make a text environment whose verifier is recorded.

    An argument that wants a language model (:data:`MODEL_ARGUMENTS`) takes its spec, such as
    ``answerer=openai:MODEL@URL``.

    Raises:
        CreditGymError: it takes no such arguments, or does not speak text.
    """
    from credit_gym.wrappers import RecordVerifier

    try:
        env = gym.make(env_id, **{name: _asked(name, value) for name, value in arguments.items()})
    except gym.error.UnregisteredEnv:
        raise unknown_environment(env_id) from None
    except ModuleNotFoundError as error:
        if isinstance(error, CreditGymError):
            raise
        missing = str(error).partition(". ")[0]
        raise CreditGymError(f"{env_id} cannot be made ({missing}): type --env {env_id} where the module is.") from None
    except (TypeError, ValueError) as error:
        if isinstance(error, CreditGymError):
            raise
        raise CreditGymError(f"{env_id} cannot be made with {dict(arguments)}: {error}") from error
    if not isinstance(env.action_space, gym.spaces.Text):
        raise CreditGymError(f"{env_id} is not a text environment: its actions are {env.action_space}.")
    return RecordVerifier(env)


def _asked(name: str, value: Any) -> Any:
    """The function that asks the model of a spec; any other argument as it is."""
    return _asker(value) if name in MODEL_ARGUMENTS and isinstance(value, str) and ":" in value else value


@cache
def _asker(spec: str) -> Callable[..., str]:
    from credit_gym.agents.llm.asking import asker

    return asker(spec)


def find(name: str, runs_dir: Path) -> tuple[Store, str]:
    """Return the store and the id of a run or a group."""
    from credit_gym import store

    return store.open_run(name, runs_dir)


def own_file(store: Store, name: str) -> Path:
    """Return the path of a file in the folder of a run, for a command that was not told where to write.

    Raises:
        CreditGymError: the folder cannot be written.
    """
    if not store.kept:
        raise CreditGymError(f"The folder {store.folder} cannot be written: give --out with a path elsewhere.")
    return store.folder / name


def show(table: Table) -> None:
    """Print a table to the terminal."""
    from credit_gym import report

    report.show(table)


def table_writer(to: str) -> Callable[[Table], None]:
    """Return the function that prints a table in a format.

    Raises:
        UnknownNameError: there is no such format.
    """
    from credit_gym.report.table import WRITERS

    if to == "terminal":
        return show
    if to not in WRITERS:
        raise unknown("table format", to, [*WRITERS, "terminal"])
    return lambda table: typer.echo(WRITERS[to](table))
