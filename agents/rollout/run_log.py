"""What a run says while it goes, for people and dashboards: JSON lines, TensorBoard, Weights & Biases.

A log holds the same numbers as the store, no key and no clock; it may be thrown away.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeAlias

from credit_gym.agents.rollout.progress_bar import token_count
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, missing_extra, unknown
from credit_gym.wrappers.record_episodes import Sink

Value: TypeAlias = str | float | int | bool | None


class RunLog(Protocol):
    """Where the numbers of a run go."""

    def log(self, step: int, values: Mapping[str, Value]) -> None:
        """Write what is known at a step; steps do not decrease."""
        ...

    def close(self) -> None:
        """Write what is still held back."""
        ...


def open_log(spec: str, folder: Path, *, name: str, config: Mapping[str, Any]) -> RunLog:
    """Open the log that a spec names.

    Args:
        spec: ``jsonl``, ``tensorboard`` or ``wandb``; after a colon the file, the folder or the project, where the
            run's own folder is not wanted.
        folder: the run's folder.
        name: the run's id.
        config: the run's settings.

    Raises:
        UnknownNameError: there is no such log.
        MissingExtraError: its package is not installed.
        CreditGymError: it cannot be written.
    """
    check_logs([spec])
    kind, _, argument = spec.partition(":")
    try:
        return LOGS[kind](argument, folder, name, config)
    except OSError as error:
        raise CreditGymError(f"The log {spec!r} cannot be written ({error}): choose another place.") from error


def check_logs(specs: Iterable[str]) -> None:
    """Refuse a spec that names no log, or one whose package is missing, before there is a folder for it.

    Raises:
        UnknownNameError: there is no such log.
        MissingExtraError: none of its packages is installed.
    """
    for spec in specs:
        kind = spec.partition(":")[0]
        if kind not in LOGS:
            raise unknown("log", kind, LOGS)
        if kind in _PACKAGES:
            _PACKAGES[kind]()


@contextmanager
def open_logs(
    specs: Sequence[str], folder: Path, *, name: str, config: Mapping[str, Any]
) -> Iterator[Callable[[int, Mapping[str, Value]], None]]:
    """Open some logs together and yield the function that writes to all of them; see :func:`open_log`."""
    with ExitStack() as stack:
        logs = []
        for spec in specs:
            log = open_log(spec, folder, name=name, config=config)
            stack.callback(log.close)
            logs.append(log)

        def write(step: int, values: Mapping[str, Value]) -> None:
            for log in logs:
                log.log(step, values)

        yield write


def episode_log(write: Callable[[int, Mapping[str, Value]], None], *, done: int = 0) -> Sink:
    """Return a sink that logs each episode as it ends; a failed one counts as nothing but a failure.

    Args:
        write: of :func:`open_logs`.
        done: episodes that an earlier part of the run logged already.
    """
    count = done

    def log(episode: Episode) -> None:
        nonlocal count
        count += 1
        failed = episode.error is not None
        outcome: dict[str, Value] = {"success": float(episode.success), "return": episode.episode_return}
        values: dict[str, Value] = {
            "failed": float(failed),
            **({} if failed else outcome),
            "steps": len(episode),
            "tokens": token_count(episode),
            "dollars": episode.usage.get("dollars", 0.0),
        }
        write(count, {"episode": episode.episode_id, **values})

    return log


class JsonLines:
    """One JSON object a line, appended; a number that does not exist is null.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8", newline="\n")

    def log(self, step: int, values: Mapping[str, Value]) -> None:
        """Append a line."""
        finite = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in values.items()}
        self._file.write(json.dumps({"step": step, **finite}, ensure_ascii=True, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoard:
    """Scalars for TensorBoard; texts are left out.

    Args:
        folder: where the event file goes.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = _summary_writer()(str(folder))

    def log(self, step: int, values: Mapping[str, Value]) -> None:
        """Add the numbers."""
        for key, value in values.items():
            if isinstance(value, int | float):
                self._writer.add_scalar(key, value, step)

    def close(self) -> None:
        """Write the file."""
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases.

    It goes online where ``WANDB_API_KEY`` is set or ``WANDB_MODE`` says so, else into the folder, for ``wandb sync``.

    Args:
        project: its project.
        folder: where it keeps its files.
        name: the run's name.
        config: the run's settings.
    """

    def __init__(self, project: str, folder: Path, name: str, config: Mapping[str, Any]) -> None:
        wandb = _wandb()
        mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
        settings = wandb.Settings(silent=True, console="off")
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=project, name=name, dir=str(folder), config=dict(config), mode=mode, settings=settings
        )

    def log(self, step: int, values: Mapping[str, Value]) -> None:
        """Add the values."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def _wandb() -> Any:
    try:
        return import_module("wandb")
    except ImportError:
        raise missing_extra("wandb", "log") from None


def _summary_writer() -> Callable[[str], Any]:
    for module in ("tensorboardX", "torch.utils.tensorboard"):
        try:
            writer: Callable[[str], Any] = import_module(module).SummaryWriter
        except ImportError:
            continue
        return writer
    raise missing_extra("tensorboardX", "log")


_PACKAGES: dict[str, Callable[[], Any]] = {"tensorboard": _summary_writer, "wandb": _wandb}

LOGS: dict[str, Callable[[str, Path, str, Mapping[str, Any]], RunLog]] = {
    "jsonl": lambda argument, folder, name, config: JsonLines(Path(argument) if argument else folder / "log.jsonl"),
    "tensorboard": lambda argument, folder, name, config: TensorBoard(
        Path(argument) / name if argument else folder / "tensorboard"
    ),
    "wandb": lambda argument, folder, name, config: WeightsAndBiases(argument or "credit-gym", folder, name, config),
}
"""The kinds of logs; each gets what follows the colon of its spec, the run's folder, its id and its settings."""
