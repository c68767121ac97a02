"""Print the table: each isolation as each user against each class of attack."""

from __future__ import annotations

from builders.red_team import KINDS
from builders.red_team.battle import USERS, fight

_COLUMNS = [(isolation, user) for isolation in ("namespaces", "process") for user in USERS]


def main() -> None:
    """Print tried / right / left behind for every cell, in Markdown."""
    print("| class | " + " | ".join(f"{isolation}, {user}" for isolation, user in _COLUMNS) + " |")
    print("|---" * (len(_COLUMNS) + 1) + "|")
    for kind in KINDS:
        cells = []
        for isolation, user in _COLUMNS:
            outcome = fight(isolation, user, kind)
            if isinstance(outcome, str):
                cells.append("not here")
                continue
            right = outcome.tried - len({text.partition(":")[0] for text in outcome.wrong})
            cells.append(f"{outcome.tried} / {right} / {len(outcome.left)}")
        print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
