"""What the lines of the speed table were before: read from a JSON file, or from the page that was made then."""

from __future__ import annotations

from pathlib import Path

from credit_gym.baselines.speed.measurement import Measurement
from credit_gym.data.foreign_text import read_json
from credit_gym.errors import CreditGymError

FELL = 0.9
"""A line that keeps less than this share of its speed fell."""


def read_values(path: Path) -> dict[str, float]:
    """Return the value of each line of an earlier table, by its name.

    Args:
        path: a file that ``--json`` or ``--markdown`` wrote.

    Raises:
        CreditGymError: it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return {name: float(line["value"]) for name, line in read_json(text)["results"].items()}
        rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in text.splitlines() if line.startswith("| ")]
        return {name: float(value.replace(",", "")) for name, value in rows[2:]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CreditGymError(f"{path} is no table of speeds: give a file that --json or --markdown wrote.") from error


def kept_of(line: Measurement, value: float, before: float) -> float:
    """Return the share of its earlier speed that a line has kept: 1 as before, 0.5 half as fast, 2 twice as fast."""
    return before / value if line.lower_is_better else value / before
