"""The options of a command that asks a language model, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from credit_gym.errors import CreditGymError

if TYPE_CHECKING:
    from credit_gym.agents.llm.backends import Settings

Prompting = Annotated[
    str | None, typer.Option(help="How the model is asked: a name, or a YAML file.", metavar="NAME|FILE")
]
Temperature = Annotated[float | None, typer.Option(help="Of the sampling; 0 is greedy.", min=0)]
MaxCost = Annotated[float | None, typer.Option(help="Stop before an agent has spent more dollars than this.")]
MaxTokens = Annotated[float | None, typer.Option(help="Stop before an agent has spent more tokens than this.")]
PriceOption = Annotated[
    str | None, typer.Option(help="Dollars per million tokens of prompts and of answers.", metavar="PROMPT,ANSWER")
]
Rpm = Annotated[float | None, typer.Option(help="Most requests a minute.")]
Tpm = Annotated[float | None, typer.Option(help="Most tokens a minute.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds within which a server must answer; 120 by default.")]
Retries = Annotated[int | None, typer.Option(help="Most repetitions of a request that failed; 5 by default.")]
Cache = Annotated[Path | None, typer.Option(help="Folder of answers, none of which is asked for again.", metavar="DIR")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that comes with a model's folder; never on by itself.")
]


def is_language_model(agent: str) -> bool:
    """Return whether a spec names a language model, or a function that is asked like one."""
    from credit_gym.agents.spec import takes_settings

    return takes_settings(agent)


def read_settings(
    before: Mapping[str, Any] | None,
    *,
    prompting: str | None,
    temperature: float | None,
    price: str | None,
    cache: Path | None,
    **limits: float | bool | None,
) -> Settings:
    """Return the settings that a command's options give.

    Args:
        before: the record of settings that the options change, None for the defaults; whether code of a model is
            trusted is asked for anew, for a record may be somebody else's.
        prompting: name or file.
        temperature: replaces that of the prompting.
        price: two numbers.
        cache: a folder.
        limits: the other fields of the settings; None leaves a field as it is.

    Raises:
        CreditGymError: a value makes no sense.
    """
    from dataclasses import replace

    from credit_gym.agents.llm.backends import Settings, settings_from
    from credit_gym.agents.llm.prompting import load_prompting

    settings = Settings() if before is None else settings_from({**before, "trust_remote_code": False})
    if prompting is not None:
        settings = replace(settings, prompting=load_prompting(prompting))
    if temperature is not None:
        settings = replace(settings, prompting=replace(settings.prompting, temperature=temperature))
    if price is not None:
        settings = replace(settings, price=_price(price))
    if cache is not None:
        settings = replace(settings, cache=str(cache))
    given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    return replace(settings, **given)


def agent_settings(agent: str, options: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Settings | None:
    """Return the settings of a language model, None for another agent.

    Args:
        agent: its spec.
        options: those of the command, by name; None where one was not given.
        before: the record of settings that they change.

    Raises:
        CreditGymError: an option makes no sense, or the agent has no use for it.
    """
    if is_language_model(agent):
        return read_settings(before, **options)
    refuse_settings(agent, options)
    return None


def refuse_settings(agent: str, options: Mapping[str, object]) -> None:
    """Refuse options for language models where none plays.

    Raises:
        CreditGymError: one of them was given.
    """
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise CreditGymError(f"{given[0]} is for language models, and {agent!r} is none: leave it out.")


def _price(text: str) -> Any:
    from credit_gym.agents.llm.prices import Price

    try:
        prompt, completion = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"write --price PROMPT,ANSWER with two numbers, not {text!r}.") from None
    return Price(prompt, completion)
