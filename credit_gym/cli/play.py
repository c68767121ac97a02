"""Play yourself."""

from __future__ import annotations

from typing import Annotated

import typer

from credit_gym.cli.app import EnvArgs, app, environment, pairs, show, typed
from credit_gym.errors import CreditGymError


@app.command(epilog="Example: credit-gym play --env credit/ALFWorld-v0 --seed 3")
def play(
    env: Annotated[str, typer.Option(help="Gymnasium id; `credit-gym envs` lists them.")],
    env_arg: EnvArgs = None,
    seed: Annotated[int, typer.Option(help="Fixes the task and every draw.")] = 0,
) -> None:
    """Play an episode yourself: type an action, or its number. Ctrl-D leaves."""
    from credit_gym.agents.human import HumanAgent
    from credit_gym.agents.rollout.runner import play_episode
    from credit_gym.report import Table, console, printable

    typed([env])
    made = environment(env, pairs(env_arg))
    try:
        episode = play_episode(made, HumanAgent(console()), seed=seed, episode_id="play", group_id="play")
    finally:
        made.close()
    if episode.error is not None:
        raise CreditGymError(episode.error)
    typer.echo(f"\n{printable(episode.observations[-1])}\n")
    typer.echo("Solved." if episode.success else "Out of time." if episode.truncated else "Not solved.")
    changes = episode.verifier or (None,) * len(episode)
    rows = tuple(zip(range(len(episode)), episode.actions, episode.rewards, changes, strict=True))
    show(Table("What each step changed", ("step", "action", "reward", "verifier"), rows))
