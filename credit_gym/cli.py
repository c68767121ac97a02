"""The command line: play, record, score, export, report. Every command imports what it needs when it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import gymnasium as gym
import typer
from typer.core import TyperGroup

from credit_gym import __version__
from credit_gym.command import one_sentence
from credit_gym.errors import CreditGymError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from credit_gym.report import Table
    from credit_gym.store import Store


class _OneSentence(TyperGroup):
    """Says what went wrong in one sentence on standard error, with exit code 2 and no traceback."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        call = super().main
        one_sentence(lambda: call(*args, **{**extra, "standalone_mode": False}))


app = typer.Typer(
    cls=_OneSentence,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="credit_gym: which step of a language-model agent earned the outcome?",
    epilog="Example: credit-gym run --env credit/Stochastic-v0 --agent random --episodes 64 --scorer outcome_only",
)

RunsDir = Annotated[Path, typer.Option(help="Folder of all runs; each has its own folder there.")]
EnvArgs = Annotated[list[str] | None, typer.Option("--env-arg", metavar="KEY=VALUE", help="Argument; repeatable.")]
Scorers = Annotated[list[str] | None, typer.Option("--scorer", help="A scorer's name; repeatable.")]
Options = Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Of the scorer; repeatable.")]
RUNS = Path("runs")


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


@app.command(epilog="Example: credit-gym envs credit/Diagnostic-v0")
def envs(env: Annotated[str | None, typer.Argument(help="Show the details of this one.")] = None) -> None:
    """List the environments, or describe one with its arguments."""
    from credit_gym.registration import ENVIRONMENTS
    from credit_gym.report import Table

    if env is None:
        rows = tuple((spec.id, "yes" if spec.vector_entry_point else "", spec.summary) for spec in ENVIRONMENTS)
        _show(Table("Environments", ("id", "native vector", "summary"), rows))
        return
    import inspect

    from gymnasium.envs.registration import load_env_creator

    entry_point = gym.spec(env).entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    typer.echo(f"{env}\n\n{inspect.getdoc(creator) or ''}\n")
    arguments = [p for p in inspect.signature(creator or dict).parameters.values() if p.kind is not p.VAR_KEYWORD]
    defaults = ("required" if p.default is p.empty else repr(p.default) for p in arguments)
    _show(Table("Arguments", ("name", "default"), tuple(zip((p.name for p in arguments), defaults, strict=True))))


@app.command(epilog="Example: credit-gym scorers adaptive_q")
def scorers(scorer: Annotated[str | None, typer.Argument(help="Show the formula of this one.")] = None) -> None:
    """List the credit scorers, or describe one with its options."""
    from credit_gym.report import Table
    from credit_gym.scorers import get, names

    if scorer is not None:
        import inspect

        typer.echo(f"{get(scorer).label}\n\n{inspect.getdoc(get(scorer).function) or ''}")
        return
    specs = [get(name) for name in names()]
    rows = tuple(
        (
            spec.name,
            spec.label if spec.stand_in else "",
            ", ".join(sorted(spec.needs)),
            spec.scope,
            spec.reference,
            spec.summary,
        )
        for spec in specs
    )
    _show(Table("Credit scorers", ("name", "stand-in", "needs", "compared within", "reference", "credit"), rows))


@app.command(
    epilog="Example: credit-gym run --env credit/Stochastic-v0 --agent noisy:0.3 --episodes 64 --group-size 8 "
    "--scorer outcome_only --scorer adaptive_q"
)
def run(
    env: Annotated[str | None, typer.Option(help="Gymnasium id; `credit-gym envs` lists them.")] = None,
    env_arg: EnvArgs = None,
    agent: Annotated[str | None, typer.Option(help="Who plays: random (default), expert, noisy:0.3, ...")] = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="How many; 16 by default.")] = None,
    group_size: Annotated[int | None, typer.Option(min=1, help="Episodes of one task; 1 by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Fixes every episode; 0 by default.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Episodes in play at the same time.")] = 1,
    scorer: Scorers = None,
    out: Annotated[Path, typer.Option("--out", "--runs-dir", help="Folder of all runs.")] = RUNS,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Play what is missing of a stopped run.")] = None,
) -> None:
    """Play episodes, keep each one as it ends, and score them.

    The run's id is printed first. A run that was stopped, even by kill -9, goes on with --resume.
    """
    from functools import partial

    from credit_gym.agents.runner import run_episodes
    from credit_gym.agents.spec import parse_agent
    from credit_gym.rescore import score_run, summary
    from credit_gym.scorers import get

    for name in scorer or []:
        get(name)
    given = (env, env_arg, agent, episodes, group_size, seed)
    if resume is None:
        store, run_id = _new_run(
            env, _pairs(env_arg), agent or "random", episodes or 16, group_size or 1, seed or 0, out
        )
    elif any(value is not None for value in given):
        raise typer.BadParameter("a resumed run keeps its own settings; give only --workers, --scorer and --out.")
    else:
        store, run_id = _find(resume, out)
    record = store.run(run_id)
    if "episodes" not in record.config:
        raise CreditGymError(f"{run_id} is a cell of a sweep: resume it with `credit-gym sweep --resume`.")
    typer.echo(run_id)
    store.remove_failed(run_id)
    try:
        run_episodes(
            _environment(record.env_id, record.config["arguments"]),
            parse_agent(record.agent_id, seed=record.seed or 0),
            episodes=record.config["episodes"],
            seed=record.seed or 0,
            group_size=record.config["group_size"],
            workers=workers,
            sink=partial(store.add_episode, run_id),
            resume_done=frozenset(store.episode_ids(run_id)),
        )
    except KeyboardInterrupt:
        store.finish_run(run_id, "interrupted")
        typer.echo(f"Interrupted; go on with: credit-gym run --out {out} --resume {run_id}", err=True)
        raise typer.Exit(130) from None
    store.finish_run(run_id)
    played = store.load_episodes(run_id)
    completed = [episode for episode in played if episode.error is None]
    if not completed:
        raise CreditGymError(f"None of the {len(played)} episodes completed; the first one says: {played[0].error}")
    for name in scorer or []:
        score_run(store, run_id, played, name, {})
    solved, steps = sum(episode.success for episode in completed), sum(map(len, completed))
    failures = f", {len(played) - len(completed)} did not complete" if len(completed) < len(played) else ""
    typer.echo(f"{len(completed)} episodes, {solved} solved ({solved / len(completed):.1%}), {steps} steps{failures}")
    if scorer:
        _show(summary(store, run_id, played, [(name, {}) for name in scorer]))


@app.command(epilog="Example: credit-gym score run_0123456789ab --scorer gae --option lam=0.9")
def score(
    runs: Annotated[list[str], typer.Argument(help="Run ids, or paths of run folders.")],
    scorer: Scorers = None,
    option: Options = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Score stored runs again, without playing anything; the targets are kept in the store."""
    from credit_gym.rescore import score_run, summary

    options = _pairs(option)
    wanted = [(name, options) for name in _required(scorer)]
    for run_name in runs:
        store, run_id = _find(run_name, runs_dir)
        episodes = store.load_episodes(run_id)
        for name, _ in wanted:
            score_run(store, run_id, episodes, name, options)
        _show(summary(store, run_id, episodes, wanted))


@app.command(
    epilog="Example: credit-gym targets run_0123456789ab --scorer adaptive_q --to parquet --out targets.parquet"
)
def targets(
    run: Annotated[str, typer.Argument(help="Run id, or path of a run folder.")],
    scorer: Scorers = None,
    option: Options = None,
    to: Annotated[str, typer.Option(help="parquet or jsonl.")] = "parquet",
    out: Annotated[Path | None, typer.Option(help="File; in the run's folder by default.")] = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Write the training targets of a run: one row a turn, one column of credit per scorer."""
    from credit_gym.export import write_jsonl, write_parquet
    from credit_gym.rescore import run_credits

    writers: dict[str, Callable[..., object]] = {"parquet": write_parquet, "jsonl": write_jsonl}
    if to not in writers:
        raise unknown("target format", to, writers)
    store, run_id = _find(run, runs_dir)
    episodes, options = store.load_episodes(run_id), _pairs(option)
    credits = {name: run_credits(store, run_id, episodes, name, options) for name in _required(scorer)}
    path = out or store.folder / f"targets.{to}"
    writers[to](path, episodes, credits)
    typer.echo(path)


@app.command(epilog="Example: credit-gym report run_0123456789ab --scorer adaptive_q")
def report(
    run: Annotated[str, typer.Argument(metavar="RUN|GROUP", help="Id of a run or of a sweep.")],
    scorer: Scorers = None,
    episodes: Annotated[int, typer.Option(min=1, help="At most this many episodes in the page.")] = 200,
    to: Annotated[str, typer.Option(help="Of a sweep's tables: terminal, markdown, latex or html.")] = "terminal",
    out: Annotated[Path | None, typer.Option(help="HTML file of a run; report.html in its folder by default.")] = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Write one HTML file to read a run's episodes in, or show the tables of a sweep."""
    from credit_gym.report import write_report
    from credit_gym.rescore import label, run_credits, summary

    if Path(run).name.startswith("group_"):
        store, group_id = _find(run, runs_dir)
        _show_sweep(store, group_id, to)
        return
    store, run_id = _find(run, runs_dir)
    record, played = store.run(run_id), store.load_episodes(run_id)
    wanted = [(name, dict[str, Any]()) for name in scorer] if scorer else store.target_sets(run_id)
    shown = played[:episodes]
    path = out or store.folder / "report.html"
    write_report(
        path,
        title=f"{record.env_id} · {record.agent_id} · {run_id}",
        episodes=shown,
        credits={label(*each): run_credits(store, run_id, played, *each)[: len(shown)] for each in wanted},
        tables=[summary(store, run_id, played, wanted)] if wanted else [],
    )
    typer.echo(path)


@app.command(epilog="Example: credit-gym sweep --config stochastic.yaml")
def sweep(
    config: Annotated[str | None, typer.Option(help="YAML file, or the name of one that ships here.")] = None,
    resume: Annotated[str | None, typer.Option(metavar="GROUP", help="Do what is missing of a stopped sweep.")] = None,
    to: Annotated[str, typer.Option(help="Tables for the terminal, or in markdown, latex or html.")] = "terminal",
    out: Annotated[Path, typer.Option("--out", "--runs-dir", help="Folder of all runs.")] = RUNS,
) -> None:
    """Compare scorers on controlled environments over seeds; the group's id is printed first."""
    from rich.progress import Progress

    from credit_gym.baselines.sweep import load_config, run_sweep
    from credit_gym.report import console
    from credit_gym.store import new_group

    if config is None and resume is None:
        raise typer.BadParameter("give --config with a YAML file, or --resume with the id of a group.")
    if resume is not None:
        store, group_id = _find(resume, out)
        settings = store.group(group_id).config if config is None else load_config(config)
    else:
        settings = load_config(str(config))
        store, group_id = new_group(out, settings)
    typer.echo(group_id)
    with Progress(console=console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("cells")
        run_sweep(
            settings,
            store,
            resume=group_id,
            on_cell=lambda _, done, total: progress.update(bar, completed=done, total=total),
        )
    _show_sweep(store, group_id, to)


@app.command(epilog="Example: credit-gym runs --runs-dir runs")
def runs(runs_dir: RunsDir = RUNS) -> None:
    """List the stored runs."""
    from credit_gym.report import Table
    from credit_gym.store import stores

    rows = tuple(
        (r.run_id, r.group_id, r.env_id, r.agent_id, r.seed, len(store.episode_ids(r.run_id)), r.status, r.created)
        for store in stores(runs_dir)
        for r in store.runs()
    )
    _show(Table("Runs", ("run", "group", "environment", "agent", "seed", "episodes", "status", "created"), rows))


@app.command(epilog="Example: credit-gym play --env credit/ALFWorld-v0 --seed 3")
def play(
    env: Annotated[str, typer.Option(help="Gymnasium id; `credit-gym envs` lists them.")],
    env_arg: EnvArgs = None,
    seed: Annotated[int, typer.Option(help="Fixes the task and every draw.")] = 0,
) -> None:
    """Play an episode yourself: type an action, or its number. Ctrl-D leaves."""
    from credit_gym.agents.human import HumanAgent
    from credit_gym.agents.runner import play_episode
    from credit_gym.report import Table, console, printable

    environment = _environment(env, _pairs(env_arg))()
    try:
        episode = play_episode(environment, HumanAgent(console()), seed=seed, episode_id="play", group_id="play")
    finally:
        environment.close()
    if episode.error is not None:
        raise CreditGymError(episode.error)
    typer.echo(f"\n{printable(episode.observations[-1])}\n")
    typer.echo("Solved." if episode.success else "Out of time." if episode.truncated else "Not solved.")
    changes = episode.verifier or (None,) * len(episode)
    rows = tuple(zip(range(len(episode)), episode.actions, episode.rewards, changes, strict=True))
    _show(Table("What each step changed", ("step", "action", "reward", "verifier"), rows))


@app.command("alfworld-generate", epilog="Example: credit-gym alfworld-generate games --split valid_seen --games 140")
def alfworld_generate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; ALFWORLD_DATA can name it.")],
    split: Annotated[str, typer.Option(help="train, valid_seen or valid_unseen.")] = "train",
    games: Annotated[int, typer.Option(min=1, help="How many.")] = 120,
) -> None:
    """Write generated ALFWorld games in the published layout, for this package and for ALFWorld's own tools."""
    from credit_gym.envs.alfworld.games import SPLITS
    from credit_gym.envs.alfworld.generate import write_games

    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    written = write_games(folder, split, games)
    typer.echo(f"{len(written)} games written below {folder / 'json_2.1.1' / split}")


def _pairs(texts: Sequence[str] | None) -> dict[str, Any]:
    """Read KEY=VALUE options; a value is what YAML says it is: a number, a truth value, a list, else text."""
    import yaml

    pairs = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"write KEY=VALUE, not {text!r}.")
        try:
            pairs[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            pairs[key] = value
    return pairs


def _required(scorers: Sequence[str] | None) -> Sequence[str]:
    if not scorers:
        raise typer.BadParameter("give --scorer with a name; `credit-gym scorers` lists them.")
    return scorers


def _new_run(
    env: str | None,
    arguments: dict[str, Any],
    agent: str,
    episodes: int,
    group_size: int,
    seed: int,
    folder: Path,
) -> tuple[Store, str]:
    """Record a run that is about to start, once it is clear that it can."""
    from credit_gym.agents.spec import parse_agent
    from credit_gym.store import new_run

    if env is None:
        raise typer.BadParameter("give --env with the id of an environment; `credit-gym envs` lists them.")
    _environment(env, arguments)().close()
    parse_agent(agent, seed=seed)
    settings = {"arguments": arguments, "episodes": episodes, "group_size": group_size}
    return new_run(folder, env_id=env, agent_id=agent, config=settings, seed=seed)


def _environment(env_id: str, arguments: Mapping[str, Any]) -> Callable[[], gym.Env[str, str]]:
    """Return a function that makes a text environment whose verifier is recorded."""
    from credit_gym.wrappers import RecordVerifier

    def make() -> gym.Env[str, str]:
        try:
            env = gym.make(env_id, **arguments)
        except (TypeError, ValueError) as error:
            if isinstance(error, CreditGymError):
                raise
            raise CreditGymError(f"{env_id} cannot be made with {dict(arguments)}: {error}") from error
        if not isinstance(env.action_space, gym.spaces.Text):
            raise CreditGymError(f"{env_id} is not a text environment: its actions are {env.action_space}.")
        return RecordVerifier(env)

    return make


def _show_sweep(store: Store, group_id: str, to: str) -> None:
    """Print the tables of a sweep, mean and standard deviation over its seeds."""
    from credit_gym.baselines.sweep import sweep_results
    from credit_gym.baselines.tables import results_table
    from credit_gym.report.tables import WRITERS

    if to != "terminal" and to not in WRITERS:
        raise unknown("table format", to, [*WRITERS, "terminal"])
    for title, results in sweep_results(store, group_id).items():
        metrics = list(dict.fromkeys(metric for row in results.values() for metric in row))
        table = results_table(f"{group_id}: {title}", results, metrics)
        if to == "terminal":
            _show(table)
        else:
            typer.echo(WRITERS[to](table))


def _show(table: Table) -> None:
    from credit_gym.report import show

    show(table)


def _find(name: str, runs_dir: Path) -> tuple[Store, str]:
    from credit_gym.store import find

    return find(name, runs_dir)


if __name__ == "__main__":
    main()
