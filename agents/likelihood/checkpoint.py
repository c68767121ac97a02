"""The weights of a model folder, read tensor by tensor, and a folder that is written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.errors import CreditGymError, missing_extra

if TYPE_CHECKING:
    import torch

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".msgpack", ".h5", ".gguf", ".onnx"})


class Checkpoint:
    """The safetensors files of a model folder that transformers would load: one whole file, else those of the index.

    Args:
        folder: of the model.

    Raises:
        CreditGymError: there is no model in it, or a file of it is missing or damaged; on entering.
        MissingExtraError: safetensors is not installed; on entering.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Any] = {}
        self._shard_of: dict[str, str] = {}

    def __enter__(self) -> Checkpoint:
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError:
            raise missing_extra("safetensors", "hf") from None
        opened: Any = safe_open
        for path in self._paths():
            if not path.is_file():
                raise CreditGymError(f"{path} is missing: the model's folder is not complete.")
            try:
                self._files[path.name] = opened(path, framework="pt").__enter__()
            except (SafetensorError, OSError) as error:
                raise CreditGymError(f"{path} cannot be read ({error}): save the model again.") from None
        if not self._files:
            raise CreditGymError(f"{self.folder} holds no model: there is no *.safetensors file in it.")
        if not self._shard_of:
            self._shard_of = {name: shard for shard, file in self._files.items() for name in file.keys()}  # noqa: SIM118
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            file.__exit__(*error)

    @property
    def names(self) -> frozenset[str]:
        """The names of its tensors."""
        return frozenset(self._shard_of)

    def shards(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each file with the tensors in it, sorted."""
        for shard in sorted(self._files):
            yield shard, sorted(name for name, owner in self._shard_of.items() if owner == shard)

    def tensor(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        if name not in self._shard_of:
            raise CreditGymError(f"{self.folder} has no tensor {name}: these models cannot be merged.")
        found: torch.Tensor = self._files[self._shard_of[name]].get_tensor(name)
        return found

    def copy_rest(self, out: Path) -> None:
        """Copy what is no weight to another folder: configuration, tokenizer, and the index of the files read here."""
        for path in sorted(self.folder.iterdir()):
            weights = path.suffix in _WEIGHTS or path.name.endswith(".index.json")
            if path.is_file() and (not weights or (path.name == INDEX and SINGLE not in self._files)):
                shutil.copyfile(path, out / path.name)

    def _paths(self) -> list[Path]:
        if (self.folder / SINGLE).is_file():
            return [self.folder / SINGLE]
        if not (self.folder / INDEX).is_file():
            return sorted(self.folder.glob("*.safetensors"))
        try:
            self._shard_of = read_json(file_text(self.folder / INDEX))["weight_map"]
            shards = sorted(set(self._shard_of.values()))
            legal = all(Path(shard).name == shard for shard in shards)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            legal = False
        if not legal:
            raise CreditGymError(f"{self.folder / INDEX} is no index of files beside it: save the model again.")
        return [self.folder / shard for shard in shards]


@contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """Give an empty folder to write a model to, which then takes the place of ``out``, with all that was in that.

    Raises:
        CreditGymError: ``out`` holds something else than the files of a model.
    """
    out = out.resolve()
    if out.exists() and not _is_spare(out):
        raise CreditGymError(f"{out} holds other things than a model's files: name a new folder for the merged model.")
    part, old = (out.with_name(f".{out.name}.{end}") for end in ("part", "old"))
    for folder in (part, old):
        shutil.rmtree(folder, ignore_errors=True)  # of a merge that was killed
    part.mkdir(parents=True)
    try:
        yield part
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _is_spare(folder: Path) -> bool:
    """Whether a folder is empty, or a model's without anything of somebody else's below it."""
    if not folder.is_dir():
        return False
    found = list(folder.iterdir())
    holds_model = any(path.name == "config.json" or path.suffix == ".safetensors" for path in found)
    return not found or (holds_model and all(path.is_file() for path in found))
