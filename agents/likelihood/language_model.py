"""Language models by their folders: loaded when first needed, one at a time, known by what is in them."""

from __future__ import annotations

import gc
import hashlib
import os
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM

from credit_gym.agents.likelihood.network import Network
from credit_gym.agents.llm.model_paths import check_path
from credit_gym.agents.llm.pretrained import load_model, load_tokenizer
from credit_gym.data.foreign_text import file_text, open_file, read_json
from credit_gym.errors import BackendError, CreditGymError

_DTYPES = ("float32", "bfloat16", "float16")
_WEIGHTS = ("config.json", "adapter_config.json", "*.safetensors", "*.bin")


class LanguageModel:
    """A causal language model in a folder, or one in memory.

    A folder costs nothing until :attr:`network` is asked for; then the weights are loaded and those of the model that
    was loaded before are freed. So a policy and its reference take the memory of one, and results that are cached
    (:class:`~credit_gym.agents.likelihood.score_cache.ScoreCache`) load neither.

    Args:
        path: a folder as ``save_pretrained`` writes it, or the name of a model on the Hugging Face hub.
        device: "cpu", "cuda", "cuda:1", ...; by default a GPU if there is one.
        dtype: "float32", "bfloat16" or "float16". In half precision beliefs move by up to 0.1 nats with the way they
            are computed, as much as a turn does; keep to float32 where the model fits.
        trust_remote_code: run code that comes with the model; a warning says so.
    """

    def __init__(
        self, path: str | Path, *, device: str | None = None, dtype: str = "float32", trust_remote_code: bool = False
    ) -> None:
        if dtype not in _DTYPES:
            raise CreditGymError(f"There is no precision called {dtype!r}; take one of {', '.join(_DTYPES)}.")
        self.path = str(path)
        self.dtype = dtype
        self._device = device
        self._trusted = trust_remote_code
        self._own: Network | None = None

    @classmethod
    def of(cls, model: Any, tokenizer: Any = None) -> LanguageModel:
        """Return a model that is already in memory, such as the policy of a trainer; it stays with its owner.

        It has no content hash, so that its results cannot be cached on disk, and it is scored as it is at each call.
        """
        own = cls("", dtype=str(next(model.parameters()).dtype).removeprefix("torch."))
        own._own = Network(model)
        own.tokenizer = tokenizer
        return own

    def __repr__(self) -> str:
        return f"LanguageModel({self.path or 'in memory'!r}, dtype={self.dtype!r})"

    @property
    def network(self) -> Network:
        """The loaded model.

        Raises:
            BackendError: there is no such model, or its files are broken.
        """
        return self._own or _resident(self.folder, self._device, self.dtype, self._trusted)

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the folder.

        Raises:
            BackendError: the folder has none.
        """
        try:
            return load_tokenizer(self.folder, trust_remote_code=self._trusted)
        except BackendError:
            raise
        except Exception as error:
            raise BackendError(f"The tokenizer in {self.path!r} cannot be loaded: {_first_line(error)}") from error

    @cached_property
    def folder(self) -> Path:
        """Where the files are; a name on the hub is downloaded unless it already was."""
        if Path(self.path).is_dir():
            return Path(self.path)
        check_path(self.path)
        try:
            return Path(snapshot_download(self.path))
        except (OSError, ValueError) as error:
            raise BackendError(
                f"There is no model folder {self.path!r}, and the Hugging Face hub did not give one of that name; "
                "give the path of a folder with config.json and its weights."
            ) from error

    @property
    def identity(self) -> str:
        """Hash of the weights, configuration and precision: equal for models that score equally.

        Raises:
            BackendError: the model is in memory only.
        """
        if self._own is not None:
            raise BackendError("A model in memory has no content hash to cache results by; save it to a folder first.")
        return hashlib.sha256(f"{folder_hash(self.folder)} {self.dtype}".encode()).hexdigest()


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 of a model's configuration and weights, remembered by their sizes and times of change.

    Args:
        folder: a model's folder, or an adapter's; then its base model counts too.

    Returns:
        64 hexadecimal digits; they do not depend on where the folder is.
    """
    stamp = _stamp(folder)
    note = _notes() / hashlib.sha256(repr(stamp).encode()).hexdigest()
    try:
        known = file_text(note, "ascii")
    except (OSError, UnicodeDecodeError):
        known = ""
    if len(known) != 64:
        known = _hash_of([Path(file) for file, _, _ in stamp])
        _write(note, known)
    adapter = folder / "adapter_config.json"
    if not adapter.exists():
        return known
    try:
        base = str(read_json(file_text(adapter))["base_model_name_or_path"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BackendError(f"{adapter} names no base model ({error}): save the adapter again.") from None
    below = folder_hash(Path(base)) if Path(base).is_dir() else base
    return hashlib.sha256(f"{known} {below}".encode()).hexdigest()


def release() -> None:
    """Free the model that is loaded, if one is."""
    with _lock:
        _free()


_Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
_lock = threading.RLock()
_loaded: dict[tuple[_Stamp, str, str], Network] = {}


def _resident(folder: Path, device: str | None, dtype: str, trusted: bool) -> Network:
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    key = (_stamp(folder), device, dtype)  # a folder that was written to again is another model
    with _lock:
        if key not in _loaded:
            _free()
            try:
                model = load_model(AutoModelForCausalLM, folder, trust_remote_code=trusted, dtype=getattr(torch, dtype))
            except BackendError:
                raise
            except Exception as error:
                raise BackendError(f"The model in {str(folder)!r} cannot be loaded: {_first_line(error)}") from error
            _loaded[key] = Network(model.to(device).eval())
        return _loaded[key]


def _free() -> None:
    if _loaded:
        _loaded.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _stamp(folder: Path) -> _Stamp:
    """Path, size and time of change of a model's files."""
    files = sorted({file.resolve() for pattern in _WEIGHTS for file in folder.glob(pattern)})
    if not files:
        raise BackendError(f"The folder {str(folder)!r} holds no model: config.json and its weights are missing.")
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def _hash_of(files: list[Path]) -> str:
    parts = []
    for file in files:
        with open_file(file) as stream:
            parts.append(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _notes() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "credit_gym" / "model_hashes"


def _write(note: Path, text: str) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        part.write_text(text, encoding="ascii")
        part.replace(note)
    except OSError:
        pass  # a cache folder that cannot be written only costs the next process a second look
