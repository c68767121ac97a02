"""kill -9 of a training and of a merge: the same curve and the same weights after --resume, a model whole or none."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from credit_gym.baselines.stress.launching import Launched, check_said, launch, wait_a_moment
from credit_gym.baselines.stress.trial import Outcome, Skipped, expect

_ENV = ("--env", "credit/Stochastic-v0")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
_LONG = 300.0  # seconds for what loads torch
_STEPS = 6
_MERGE = """
import sys
from pathlib import Path
from credit_gym.agents.likelihood.merging import merge
print("begun", flush=True)
merge(Path(sys.argv[3]), anchor=Path(sys.argv[1]), policy=Path(sys.argv[2]), method="linear", alpha=0.5)
"""


def kill_training(rng: random.Random, folder: Path) -> Outcome:
    """Kill a training at a drawn moment, and take it up from its newest checkpoint."""
    model, whole, seconds = _trained(folder)
    begun = launch(folder, *_training(model, "killed"), variables=_ONE_THREAD)
    wait_a_moment(rng, begun, seconds)
    begun.killed()
    before = _curve(folder / "killed")
    expect(before == _curve(whole)[: len(before)], "partial", "the curve before the kill is another one")
    again = ("train", "killed", "--resume") if (folder / "killed" / "training.json").exists() else None
    ended = launch(folder, *(again or _training(model, "killed")), variables=_ONE_THREAD).ended(_LONG)
    check_said(ended, (0,))
    expect(_curve(folder / "killed") == _curve(whole), "lost", "the curve after --resume is another one")
    expect(_weights(folder / "killed" / "model") == _weights(whole / "model"), "lost", "the weights are others")
    return Outcome(f"killed after {len(before)} of {_STEPS} steps")


def kill_merge(rng: random.Random, folder: Path) -> Outcome:
    """Kill a merge at a drawn moment: its folder holds the old model, the new one, or none; a second merge is whole."""
    model, whole, _ = _trained(folder)
    command = (sys.executable, "-c", _MERGE, str(model), str(whole / "model"))
    reference = folder.parent / "models" / "merged"
    if not reference.exists():
        check_said(Launched(folder, *command, str(reference), variables=_ONE_THREAD).ended(_LONG), (0,))
    out = folder / "out"
    old = rng.random() < 0.5
    if old:
        check_said(Launched(folder, *command[:-1], str(model), str(out), variables=_ONE_THREAD).ended(_LONG), (0,))
    states = [{}, _files(out), _files(reference)]
    merging = Launched(folder, *command, str(out), variables=_ONE_THREAD)
    merging.first_line(_LONG)
    wait_a_moment(rng, merging, 0.3)
    merging.killed()
    expect(_files(out) in states, "partial", f"half a model: {sorted(_files(out))}")
    check_said(Launched(folder, *command, str(out), variables=_ONE_THREAD).ended(_LONG), (0,))
    expect(_files(out) == _files(reference), "lost", "the second merge is another model")
    beside = sorted(entry.name for entry in folder.glob(".out*"))
    expect(not beside, "leaked", f"beside the model: {beside}")
    return Outcome("over an old model" if old else "into a new folder")


def _trained(folder: Path) -> tuple[Path, Path, float]:
    """A tiny model, the folder of a training of it that nobody disturbed, and the seconds that it took."""
    for name in ("torch", "transformers", "trl"):
        if find_spec(name) is None:
            raise Skipped(f"{name} is not installed: pip install 'credit-gym[hf,trl]'")
    place = folder.parent / "models"
    model, trained, mark = place / "tiny", place / "trained", place / "seconds.json"
    if not mark.exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        small = ("--episodes", "40", "--steps", "20", "--hidden", "32", "--layers", "1")
        check_said(launch(place, "tiny-lm", str(model), *_ENV, *small, variables=_ONE_THREAD).ended(_LONG), (0,))
        training = launch(place, *_training(model, str(trained)), variables=_ONE_THREAD)
        check_said(training.ended(_LONG), (0,))
        mark.write_text(json.dumps(training.seconds), encoding="utf-8")
    return model, trained, json.loads(mark.read_text("utf-8"))


def _training(model: Path, out: str) -> tuple[str, ...]:
    size = ("--groups", "1", "--group-size", "4", "--steps", str(_STEPS), "--save-every", "2")
    short = ("--env-arg", "num_tasks=3", "--env-arg", "max_episode_steps=3")
    return ("train", out, *_ENV, *short, "--model", str(model), *size, "--learning-rate", "1e-3")


def _curve(folder: Path) -> list[str]:
    """The whole lines of a curve."""
    file = folder / "curve.jsonl"
    return file.read_text("utf-8").split("\n")[:-1] if file.exists() else []


def _weights(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in _files(folder).items() if name.endswith(".safetensors")}


def _files(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
