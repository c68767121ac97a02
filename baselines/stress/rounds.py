"""Trials until the minutes are spent: the kind that has had the least time so far goes next."""

from __future__ import annotations

import shutil
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from credit_gym import rng
from credit_gym.baselines.stress.trial import FLAWS, Flaw, Outcome, Trial, tried
from credit_gym.errors import CreditGymError

TRIAL_SECONDS = 400.0
"""After these a trial counts as hanging."""


@dataclass
class Tally:
    """What came of the trials of a kind.

    Attributes:
        outcomes: of all of them, in their order.
    """

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """How many could be made."""
        return sum(not outcome.skipped for outcome in self.outcomes)

    @property
    def survived(self) -> int:
        """In how many everything held."""
        return sum(not outcome.skipped and outcome.flaw is None for outcome in self.outcomes)

    @property
    def seconds(self) -> float:
        """How long they took, all together."""
        return sum(outcome.seconds for outcome in self.outcomes)

    def count(self, flaw: Flaw) -> int:
        """In how many there was a flaw."""
        return sum(outcome.flaw == flaw for outcome in self.outcomes)


def go_round(
    kinds: Mapping[str, Trial],
    *,
    minutes: float,
    seed: int,
    on_trial: Callable[[str, int, Outcome], None] = lambda kind, number, outcome: None,
) -> dict[str, Tally]:
    """Try every kind at least once, and go on until the minutes are spent.

    Args:
        kinds: name -> trial.
        minutes: none is begun after these, once each kind has been tried.
        seed: fixes what each trial draws; how many there are hangs on the machine.
        on_trial: told the kind, the number and the outcome of each as it ends.

    Returns:
        What came of each kind.

    Raises:
        CreditGymError: this is not Linux, whose processes and signals the trials are made of.
    """
    if sys.platform != "linux":
        raise CreditGymError("The stress trials watch processes as Linux shows them: run them on Linux.")
    tallies = {kind: Tally() for kind in kinds}
    deadline = time.monotonic() + 60.0 * minutes
    with TemporaryDirectory(prefix="stress-of-credit-gym-", ignore_cleanup_errors=True) as place:
        while True:
            waiting = [kind for kind, tally in tallies.items() if not tally.outcomes]
            open_ones = [kind for kind, tally in tallies.items() if not any(o.skipped for o in tally.outcomes)]
            if not waiting and (time.monotonic() > deadline or not open_ones):
                return tallies
            kind = waiting[0] if waiting else min(open_ones, key=lambda kind: tallies[kind].seconds)
            number = len(tallies[kind].outcomes)
            folder = Path(place) / f"{kind.replace(': ', '-').replace(' ', '-')}-{number}"
            drawn = rng.derive(seed, zlib.crc32(kind.encode()), number)
            outcome = tried(kinds[kind], drawn, folder, TRIAL_SECONDS)
            tallies[kind].outcomes.append(outcome)
            on_trial(kind, number, outcome)
            shutil.rmtree(folder, ignore_errors=True)


def flawed(tallies: Mapping[str, Tally]) -> bool:
    """Return whether anything did not hold."""
    return any(tally.count(flaw) for tally in tallies.values() for flaw in FLAWS)
