"""Write data that environments play."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credit_gym.cli.app import app
from credit_gym.errors import unknown


@app.command("alfworld-generate", epilog="Example: credit-gym alfworld-generate games --split valid_seen --games 140")
def alfworld_generate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; ALFWORLD_DATA can name it.")],
    split: Annotated[str, typer.Option(help="train, valid_seen or valid_unseen.")] = "train",
    games: Annotated[int, typer.Option(min=1, help="How many.")] = 120,
) -> None:
    """Write generated ALFWorld games in the published layout, for this package and for ALFWorld's own tools.

    The files carry ALFWorld's own domain and grammar, so this needs the extra: pip install "credit-gym[alfworld]".
    """
    from credit_gym.envs.alfworld.games import SPLITS
    from credit_gym.envs.alfworld.generate import write_games

    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    written = write_games(folder, split, games)
    typer.echo(f"{len(written)} games written below {folder / 'json_2.1.1' / split}")
