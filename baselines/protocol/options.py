"""The options that several baselines take, each worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonFile = Annotated[Path | None, typer.Option(help="Write the results here.")]
MarkdownFile = Annotated[Path | None, typer.Option(help="Also write the tables to this file.")]
PlotFolder = Annotated[
    Path | None, typer.Option(help="Also write every table into this folder: drawn (SVG, PNG), as LaTeX and as JSON.")
]
RunsFolder = Annotated[Path, typer.Option(help="Where runs are kept.")]

Suites = Annotated[int, typer.Option(help="Suites of tasks.")]
Processes = Annotated[int, typer.Option(help="Processes.")]
TrainingProcesses = Annotated[int, typer.Option(min=1, help="Processes, one thread each.")]

StudyFolder = Annotated[Path, typer.Option(help="Folder of a study by `baselines.delta_belief`.")]
StudySeeds = Annotated[int, typer.Option(min=1, help="How many of its seeds.")]

StoredRun = Annotated[str, typer.Option(help="Score a stored run instead of the study.")]
Tau2File = Annotated[Path | None, typer.Option(help="Score a results file of tau2 instead.")]
TrialsFolder = Annotated[Path | None, typer.Option(help="Score a folder trial_{i}/{domain}.json instead.")]
RecordedModel = Annotated[str, typer.Option(help="hf:PATH, for recorded episodes.")]
RewardModels = Annotated[
    list[str] | None, typer.Option(help="think_prm:SPEC or wild_reward:FOLDER, for recorded episodes; repeatable.")
]
TextForm = Annotated[str, typer.Option(help="Their text as tokens: plain, chat or upstream.")]
