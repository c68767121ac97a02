"""What tokens cost: a dated table for the providers' own servers, and nothing for anybody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple


class Price(NamedTuple):
    """Dollars per million tokens of prompts and of answers."""

    prompt: float
    completion: float

    def dollars(self, usage: Mapping[str, float]) -> float:
        """Return the price of ``prompt_tokens`` and ``completion_tokens``."""
        spent = self.prompt * usage.get("prompt_tokens", 0.0) + self.completion * usage.get("completion_tokens", 0.0)
        return spent / 1e6


def total_tokens(usage: Mapping[str, float]) -> float:
    """Return the tokens of prompt and answer."""
    return usage.get("prompt_tokens", 0.0) + usage.get("completion_tokens", 0.0)


def known_price(name: str) -> Price | None:
    """Return the list price of a backend, None where it is not known.

    A model has the price of the table's entry that it is, or is a dated version of (``gpt-4o-2024-11-20``); a name that
    goes on in another way is another model. Prompts that the provider reads from a cache, or answers in bulk, may cost
    less than the list says.

    Args:
        name: the backend's name, such as ``openai:gpt-4o``.
    """
    protocol, _, model = name.partition(":")
    table = json.loads(files(__package__).joinpath("prices.json").read_text(encoding="utf-8"))
    for known, price in table["dollars_per_million_tokens"].get(protocol, {}).items():
        if re.fullmatch(re.escape(known) + r"(-\d{8}|-\d{4}-\d{2}-\d{2}|-latest)?", model):
            return Price(*price)
    return None
