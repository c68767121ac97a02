"""Whether the weights of two model folders mean the same: token for token, and by what their configurations say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from credit_gym.data.foreign_text import file_bytes, file_text, read_json
from credit_gym.errors import CreditGymError

_MEANING = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "hidden_activation",
    "activation_function",
    "rms_norm_eps",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "layer_types",
    "sliding_window",
    "tie_word_embeddings",
    "final_logit_softcapping",
    "logits_scaling",
)
"""Fields of a configuration without which the same numbers are another function."""

_BINARY = ("tokenizer.model", "spiece.model")
_SHOWN = 40  # characters of a value in a sentence


def check_same_model(anchor: Path, member: Path) -> None:
    """Refuse a model whose weights cannot be added to another's.

    A token id must spell the same in both, special tokens among them; either may have further tokens, and one that has
    no tokenizer beside its weights is taken at its word. Which token ends a turn may differ: that is said by the
    configuration, not by the weights.

    Args:
        anchor: folder of the one model.
        member: folder of the other.

    Raises:
        CreditGymError: they differ, or a file that says so cannot be read.
    """
    ours, theirs = _config(anchor), _config(member)
    for field in _MEANING:
        if field in ours and field in theirs and ours[field] != theirs[field]:
            raise CreditGymError(
                f"{member} has {field} {_cut(theirs[field])} and {anchor} {_cut(ours[field])}: their weights mean "
                "different things and cannot be merged."
            )
    tokens, others = _vocabulary(anchor), _vocabulary(member)
    for number in sorted(tokens.keys() & others.keys()):
        if tokens[number] != others[number]:
            raise CreditGymError(
                f"Token {number} is {_cut(others[number])} in {member} and {_cut(tokens[number])} in {anchor}: models "
                "of different vocabularies cannot be merged."
            )


def _config(folder: Path) -> Mapping[str, Any]:
    found = _mapping(folder / "config.json")
    inside = found.get("text_config")
    return inside if isinstance(inside, dict) else found


def _vocabulary(folder: Path) -> dict[int, str]:
    """What each token id spells, as the tokenizer's files say; of a binary one, its digest under -1."""
    try:
        found = {int(number): str(word) for number, word in _words(folder).items()}
    except (OSError, LookupError, TypeError, AttributeError, ValueError):
        raise CreditGymError(f"The tokenizer in {folder} cannot be read: save it again.") from None
    for path in (folder / name for name in _BINARY):
        if not found and path.is_file():
            found[-1] = hashlib.sha256(file_bytes(path)).hexdigest()
    return found


def _words(folder: Path) -> dict[Any, Any]:
    whole, listed = _mapping(folder / "tokenizer.json"), folder / "vocab.txt"
    words: Any = whole["model"]["vocab"] if whole else _mapping(folder / "vocab.json")
    if not words and listed.is_file():
        words = file_bytes(listed).decode("utf-8", "replace").splitlines()
    if isinstance(words, list):  # with its score, in tokenizers that have one
        found = {number: word[0] if isinstance(word, list) else word for number, word in enumerate(words)}
    else:
        found = {number: word for word, number in words.items()}
    found |= {number: word for word, number in _mapping(folder / "added_tokens.json").items()}
    return found | {token["id"]: token["content"] for token in whole.get("added_tokens") or ()}


def _mapping(path: Path) -> dict[str, Any]:
    """The JSON object in a file, empty where there is no such file."""
    if not path.is_file():
        return {}
    try:
        found = read_json(file_text(path))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CreditGymError(f"{path} is no JSON object: save the model again.")
    return found


def _cut(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."
