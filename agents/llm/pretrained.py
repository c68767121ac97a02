"""Models and tokenizers from folders of others: safetensors only, and no code of theirs unless somebody says so.

A folder may name Python files that transformers would run to build the model, and weights may be pickles, which run
what they like when they are read. Neither is asked about on the terminal: the one is refused by default, the other
always.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import transformers

from credit_gym.agents.llm.model_paths import check_path
from credit_gym.data.foreign_text import file_text, read_json
from credit_gym.errors import BackendError

MOST_LAYERS = 1_000
"""Layers of the deepest model that is built."""

MOST_RANK = 4_096
"""Rank of the largest matrices of an adapter that are built."""


def load_tokenizer(path: str | Path, *, trust_remote_code: bool = False) -> Any:
    """Return the tokenizer of a folder, or of a name on the hub.

    Raises:
        BackendError: it needs code that comes with it, and that is not trusted.
        OSError: there is none; ValueError and others as transformers raises them.
    """
    return _load(transformers.AutoTokenizer, path, trust_remote_code)


def load_model(kind: Any, path: str | Path, *, trust_remote_code: bool = False, **options: Any) -> Any:
    """Return the model of a folder, or of a name on the hub.

    Args:
        kind: a class of transformers that loads one, such as ``AutoModelForCausalLM``.
        path: the folder; of an adapter, the base model that it names is loaded too.
        trust_remote_code: run code that comes with the model; a warning says so.
        options: further arguments of ``from_pretrained``.

    Raises:
        BackendError: it needs code that comes with it, or from the hub, and that is not trusted; its weights are no
            safetensors; or its configuration cannot be built.
        OSError: there is none; ValueError and others as transformers raises them.
    """
    folder = Path(path)
    if (folder / "adapter_config.json").exists() and not (folder / "adapter_model.safetensors").exists():
        raise BackendError(f"The adapter in {str(path)!r} is no safetensors file: save it again as one.")
    _check_adapter(folder / "adapter_config.json", trust_remote_code)
    return _load(kind, path, trust_remote_code, use_safetensors=True, **options)


def _check_config(file: Path, trusted: bool) -> None:
    """Refuse a configuration that would have code fetched from the hub, or a model built that never ends."""
    if not file.exists():  # a name on the hub, or an adapter
        return
    try:
        config = read_json(file_text(file))
        parts = [part for part in (config, *config.values()) if isinstance(part, dict)]
    except (OSError, ValueError, AttributeError) as error:
        raise BackendError(f"{file} is no configuration ({error}): save the model again.") from None
    for name, value in (entry for part in parts for entry in part.items()):
        if name.endswith(("layer", "layers")) and isinstance(value, int) and value > MOST_LAYERS:
            raise BackendError(f"{file} asks for {value} layers, more than {MOST_LAYERS}: choose another model.")
        if name.endswith("_implementation") and "/" in str(value) and not trusted:
            raise BackendError(
                f"{file} asks for code from the hub ({name}: {value}), which is not run: take it out, or add "
                "--trust-remote-code (trust_remote_code=True) if you trust whoever wrote it."
            )


def _check_adapter(file: Path, trusted: bool) -> None:
    """Refuse an adapter of huge matrices, and one whose base is nowhere or would be refused itself."""
    if not file.exists():
        return
    try:
        about = read_json(file_text(file))
        base, ranks = (
            str(about["base_model_name_or_path"]),
            [about.get("r"), *(about.get("rank_pattern") or {}).values()],
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BackendError(f"{file} names no base model ({error}): save the adapter again.") from None
    rank = max((each for each in ranks if isinstance(each, int)), default=0)
    if rank > MOST_RANK:
        raise BackendError(f"{file} asks for matrices of rank {rank}, more than {MOST_RANK}: choose another adapter.")
    check_path(base)
    if (Path(base) / "adapter_config.json").exists() and Path(base).resolve() != file.parent.resolve():
        raise BackendError(f"{file} names an adapter as its base: merge that one into its model first.")
    _check_config(Path(base) / "config.json", trusted)


def _load(kind: Any, path: str | Path, trust_remote_code: bool, **options: Any) -> Any:
    check_path(path)
    _check_config(Path(path) / "config.json", trust_remote_code)
    if trust_remote_code:
        warnings.warn(f"Code that comes with {str(path)!r} is run, as trust_remote_code asks for it.", stacklevel=4)
    try:
        return kind.from_pretrained(path, trust_remote_code=trust_remote_code, **options)
    except ValueError as error:
        if trust_remote_code or "trust_remote_code" not in str(error):
            raise
    raise BackendError(
        f"{str(path)!r} brings code of its own, which is not run: choose a model that transformers knows, or add "
        "--trust-remote-code (trust_remote_code=True) if you trust whoever wrote it."
    )
