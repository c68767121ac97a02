"""``python -m credit_gym.baselines.studies.regimes``: the map of regimes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from credit_gym.baselines.protocol.options import PlotFolder, Processes
from credit_gym.baselines.protocol.publish import publish
from credit_gym.baselines.studies.regimes.map_points import AXES, drawn_points, read_points
from credit_gym.baselines.studies.regimes.regimes_advice import advice_table
from credit_gym.baselines.studies.regimes.regimes_page import map_tables, write_page
from credit_gym.baselines.studies.regimes.regimes_study import SCORERS, run_map
from credit_gym.report.command import run as run_command


def main(
    points: Annotated[Path | None, typer.Option(help="A YAML list of regimes in the place of the map's own.")] = None,
    drawn: Annotated[int, typer.Option(help="So many regimes drawn at random in the place of the map's own.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the drawn regimes.")] = 0,
    scorers: Annotated[str, typer.Option(help="Scorers, separated by commas.")] = ",".join(SCORERS),
    seeds: Annotated[int, typer.Option(help="Suites of tasks that are raced on.", min=1)] = 8,
    pilots: Annotated[int, typer.Option(help="Suites on which step sizes are tuned.", min=1)] = 12,
    workers: Processes = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything here.")] = None,
    advice: Annotated[Path | None, typer.Option(help="Write here what `credit-gym advise` reads of it.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the page and its figure here.")] = None,
    plots: PlotFolder = None,
) -> None:
    """Episodes until the task is learned, for every scorer at every point of the map."""
    axes = read_points(points) if points else drawn_points(drawn, seed) if drawn else AXES
    regimes = [regime for group in axes.values() for regime in group]
    records = run_map(
        regimes, [name.strip() for name in scorers.split(",")], seeds=seeds, pilots=pilots, workers=workers
    )
    minutes = sum(os.times()[:4]) / 60  # those of the worker processes too, which have ended
    found = {"study": "regimes", "seeds": seeds, "pilots": pilots, "axes": {}, "points": records}
    found["axes"] = {axis: [regime.name for regime in group] for axis, group in axes.items()}
    if json_file:
        json_file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if advice:
        advice.write_text(json.dumps(advice_table(found), separators=(",", ":")) + "\n", encoding="utf-8")
    if markdown:
        write_page(found, markdown, minutes=minutes)
    publish(map_tables(found), plots=plots)


if __name__ == "__main__":
    run_command(main)
