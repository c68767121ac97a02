"""Believers by name, as commands and configurations write them: ``exact``, or the folder of a language model."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from credit_gym.agents.llm.backends import BACKENDS
from credit_gym.agents.llm.prompting import Prompting
from credit_gym.errors import CreditGymError
from credit_gym.wrappers.record_belief import Believer, oracle

EXACT = "exact"
"""The game's own posterior."""


@cache
def parse_believer(spec: str, prompting: Prompting) -> Believer:
    """Return the believer that a spec names; one for all who ask for the same, in each process.

    Args:
        spec: ``exact``, ``hf:FOLDER``, or the folder alone.
        prompting: how a model is shown the chat.

    Raises:
        MissingExtraError: a model's packages are not installed.
        CreditGymError: it names no model that can be read here.
    """
    if spec == EXACT:
        return oracle
    kind, colon, folder = spec.partition(":")
    if colon and kind in BACKENDS and kind != "hf":
        raise CreditGymError(f"{kind} gives no probabilities of texts: write --belief hf:FOLDER, or --belief {EXACT}.")
    path = Path(folder if colon and kind == "hf" else spec)
    if not path.is_dir():
        raise CreditGymError(
            f"There is no model folder {str(path)!r}: write --belief hf:FOLDER with one, or --belief {EXACT}."
        )
    from credit_gym.agents.likelihood.believers import ModelBeliever
    from credit_gym.agents.likelihood.language_model import LanguageModel

    return ModelBeliever(LanguageModel(path), prompting=prompting)
