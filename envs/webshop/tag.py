"""Find the nouns of every title of WebShop's product file once, and keep them beside it.

    python -m credit_gym.envs.webshop.tag FOLDER [--tagger spacy|bundled]

With spaCy and its model installed the nouns are those of the published environment; without them the bundled tagger
finds them. The file ``items_nouns.json`` says which.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from credit_gym.envs.webshop.nouns import BUNDLED, NOUNS_FILE, Tagger, best_tagger, spacy_tagger
from credit_gym.envs.webshop.records import asin_of, reading
from credit_gym.envs.webshop.streaming import members
from credit_gym.errors import unknown
from credit_gym.report.command import run

TAGGERS: dict[str, Callable[[], Tagger]] = {"best": best_tagger, "spacy": spacy_tagger, "bundled": lambda: BUNDLED}


def main(
    folder: Annotated[Path, typer.Argument(help="Where the data files are.")],
    products: Annotated[str, typer.Option(help="Name of the product file.")] = "items_shuffle.json",
    tagger: Annotated[str, typer.Option(help="best, spacy or bundled.")] = "best",
) -> None:
    """Write ``items_nouns.json``."""
    if tagger not in TAGGERS:
        raise unknown("tagger", tagger, TAGGERS)
    chosen = TAGGERS[tagger]()
    nouns = {}
    faults: list[str] = []
    for where, record in members(folder / products):
        with reading(str(folder / products), where, faults):
            asin = asin_of(record)
            if asin is not None:
                nouns[asin] = chosen.nouns(str(record["name"]))
    path = folder / NOUNS_FILE
    path.write_text(json.dumps({"tagger": chosen.name, "nouns": nouns}), encoding="utf-8")
    if faults:
        typer.echo(f"{len(faults)} malformed records are left out. The first: {faults[0]}", err=True)
    typer.echo(f"{len(nouns)} titles tagged by {chosen.name}: {path}")


if __name__ == "__main__":
    run(main)
