"""The colour words of WebShop's reward."""

from __future__ import annotations

from functools import lru_cache

from credit_gym.envs.webshop import remembered

_COLOURS = (
    "alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown burgundy camel "
    "camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee cognac copper coral cranberry "
    "cream crystal dark denim eggplant elephant espresso fuchsia gold granite grape graphite grass gray green "
    "grey heather indigo ivory ivy khaki lavender lemon leopard light lilac lime magenta maroon mauve merlot "
    "midnight mint mocha multicolor mushroom mustard natural navy nude olive orange peach pewter pink plum purple "
    "rainbow red rose royal rust sand sapphire seashell silver skull slate steel stone stonewash sunflower tan "
    "taupe teal tiger turquoise violet walnut wheat white wine yellow"
)
COLOURS = tuple(_COLOURS.split())


@lru_cache(remembered.TEXTS)
def normalise(value: str) -> str:
    """Return the first colour, in the order of the list, that occurs anywhere in a value; else the value.

    Anywhere is meant: "washed silver" is "ash" and "standard" is "tan", as published.
    """
    return next((colour for colour in COLOURS if colour in value), value)
