"""How language models are asked, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from credit_gym.cli.app import app, environment, show
from credit_gym.errors import CreditGymError

if TYPE_CHECKING:
    from credit_gym.agents.llm.completion import Message
    from credit_gym.agents.llm.prompting import Prompting


@app.command(epilog="Example: credit-gym promptings react")
def promptings(
    prompting: Annotated[str | None, typer.Argument(help="Show this one, or a YAML file.", metavar="NAME|FILE")] = None,
    env: Annotated[
        str | None, typer.Option(help="Show the chat that opens an episode of this environment too.")
    ] = None,
) -> None:
    """List the promptings, or show one as the YAML file that would say the same."""
    from credit_gym.agents.llm.prompting import PROMPTINGS, load_prompting, prompting_record
    from credit_gym.report import Table, printable

    if prompting is None and env is None:
        rows = tuple((each.name, each.style, each.decoding, each.max_tokens) for each in PROMPTINGS.values())
        show(Table("Promptings", ("name", "style", "decoding", "max_tokens"), rows))
        return
    import yaml

    asked = load_prompting(prompting or "plain")
    typer.echo(yaml.safe_dump(prompting_record(asked), sort_keys=False, allow_unicode=True).strip())
    if env is not None:
        for message in _opening(env, asked):
            typer.echo(f"\n[{message['role']}]\n{printable(str(message['content']))}")


def _opening(env_id: str, prompting: Prompting) -> tuple[Message, ...]:
    """The chat that asks for the first action of an episode."""
    from credit_gym.agents.llm.prompting import messages
    from credit_gym.agents.rollout.turns import episode_turns, go_on
    from credit_gym.data.episode import Episode

    made = environment(env_id, {})
    try:
        first = go_on(episode_turns(made, agent_id="", seed=0, episode_id="", group_id=""), None)
    finally:
        made.close()
    if isinstance(first, Episode):
        raise CreditGymError(f"{env_id} cannot be begun: {first.error}")
    return messages(first, prompting)
