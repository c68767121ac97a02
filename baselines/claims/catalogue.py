"""All published tables and studies by name, in the order in which they are made: who reads runs after who plays."""

from __future__ import annotations

from collections.abc import Iterable

from credit_gym.baselines.claims import belief_claims, creditlab_claims, own_claims, progress_claims, team_claims
from credit_gym.baselines.claims.reproduction import Reproduction
from credit_gym.errors import unknown

CATALOGUE: dict[str, Reproduction] = {
    each.name: each
    for module in (creditlab_claims, belief_claims, progress_claims, team_claims, own_claims)
    for each in module.REPRODUCTIONS
}


def reproduction(name: str) -> Reproduction:
    """Return the one of a name.

    Raises:
        UnknownNameError: there is none; the message names the nearest.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise unknown("reproduction", name, CATALOGUE) from None


def in_order(wanted: Iterable[Reproduction]) -> list[Reproduction]:
    """Return these and those whose runs they read, each after what it reads."""
    names = {name for each in wanted for name in (each.name, *(need for need in each.reads if need in CATALOGUE))}
    return [each for each in CATALOGUE.values() if each.name in names]
