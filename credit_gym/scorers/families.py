"""Which family a scorer is of: what its file reads a credit off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from credit_gym.scorers.registry import ScorerSpec

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "outcome": ("outcome", "imitation", "turn_grpo"),
    "temporal difference": ("temporal_difference",),
    "state groups": ("gigpo", "ecpo", "rtmc", "salt", "hca"),
    "pooled graph": ("crbc", "graphhca", "graphgpo", "emp_qstar", "coalition"),
    "path": ("hindsight",),
    "return redistribution": ("redistribution",),
    "segments": ("milestone", "hiper"),
    "verifier": ("branch_aware", "mt_grpo", "shaping"),
    "both": ("combined", "adaptive"),
    "outcomes, state groups and a verifier": ("evidence_lambda",),
    "belief": ("belief",),
    "replay tree": ("c3", "vine", "tree_backup", "magrpo", "mappo", "role_shapley"),
    "log-probabilities": ("progress_advantage",),
    "implicit reward": ("istar",),
    "modulator": ("modulate",),
    "controls": ("controls",),
}
"""Family -> the files of its scorers, as the manual lists them."""

OTHERS = "others"
"""The family of scorers that lie elsewhere."""


def family_of(spec: ScorerSpec) -> str:
    """Return the family of a scorer."""
    room, _, file = spec.function.__module__.rpartition(".")
    at_home = room == __name__.rpartition(".")[0]
    return next((family for family, files in FAMILIES.items() if at_home and file in files), OTHERS)


def by_family(specs: Iterable[ScorerSpec]) -> dict[str, list[ScorerSpec]]:
    """Return the scorers of each family that has some, families in the order of the manual."""
    found: dict[str, list[ScorerSpec]] = {family: [] for family in (*FAMILIES, OTHERS)}
    for spec in specs:
        found[family_of(spec)].append(spec)
    return {family: members for family, members in found.items() if members}
