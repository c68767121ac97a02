"""Reference models between two checkpoints: task vectors merged tensor by tensor, one shard in memory at a time.

Source: the reference-merging sweep of Progress Advantage (arXiv:2606.26080) over task arithmetic (Ilharco et al. 2023),
TIES (Yadav et al. 2023), DARE (Yu et al. 2024) and EMR (Huang et al. 2024).
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credit_gym import rng
from credit_gym.errors import CreditGymError, missing_extra, unknown

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"


def merge(
    out: Path,
    *,
    anchor: Path,
    policy: Path,
    method: str = "linear",
    alpha: float = 0.5,
    density: float = 0.2,
    others: Sequence[Path] = (),
    target: Path | None = None,
    seed: int = 0,
) -> Path:
    """Write the model ``anchor + alpha * tau``, tau merged from the task vectors ``theta_m - theta_anchor``.

    * ``linear``: the policy's task vector; alpha 0 and 1 give the anchor and the policy exactly.
    * ``ties``: each vector keeps its ``density`` largest entries; of those the ones with the sign of the sum, averaged.
    * ``dare_linear``: each entry kept with probability ``density`` and divided by it; summed.
    * ``dare_ties``: the same, then only entries with the sign of the sum.
    * ``emr``: the largest magnitude among the vectors that agree with the sign of the sum, where the target agrees too,
      rescaled to the target's mean magnitude.

    Arithmetic is in float32; what is stored has the anchor's type. A first axis of another length (a padded vocabulary)
    is cut, or filled with its last row. What is not a float is the anchor's.

    Args:
        out: folder to write; configuration and tokenizer are the anchor's.
        anchor: folder of the model where alpha is 0.
        policy: folder of the model that the first task vector leads to.
        method: a key of :data:`METHODS`.
        alpha: in [0, 1].
        density: share of entries that sparsification keeps; at 1 it keeps all.
        others: folders of further models, each with a task vector of its own.
        target: the model whose scale ``emr`` keeps, the policy by default; one of the others.
        seed: fixes the draws of ``dare_*``, tensor by tensor, whatever their order.

    Returns:
        ``out``.

    Raises:
        UnknownNameError: there is no such method.
        CreditGymError: a number is out of range, or the models do not have the same tensors.
        MissingExtraError: torch or safetensors is not installed.
    """
    if method not in METHODS:
        raise unknown("merging method", method, METHODS)
    if not 0.0 <= alpha <= 1.0 or not 0.0 < density <= 1.0:
        raise CreditGymError(f"alpha must lie in [0, 1] and density in (0, 1], not {alpha} and {density}.")
    members = [policy, *others]
    chosen = 0 if target is None else members.index(target)
    combine = METHODS[method]
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise missing_extra("safetensors", "hf") from error
    with ExitStack() as stack:
        base, *models = (stack.enter_context(_Checkpoint(path)) for path in (anchor, *members))
        scale = _emr_scale(base, models, chosen) if method == "emr" else 1.0
        out.mkdir(parents=True, exist_ok=True)
        for path in sorted(anchor.iterdir()):
            if path.is_file() and path.suffix != ".safetensors":
                shutil.copyfile(path, out / path.name)
        for shard, names in base.shards():
            merged = {}
            for name in names:
                start = base.tensor(name)
                if start.is_floating_point() and method == "linear" and alpha == 1.0:
                    merged[name] = _fitted(name, models[0].tensor(name), start).to(start.dtype)
                elif start.is_floating_point():
                    vectors = _task_vectors(name, start, models)
                    tau = combine(vectors, density, rng.derive(seed, zlib.crc32(name.encode())), chosen) * scale
                    merged[name] = _moved(start, tau, alpha)
                else:
                    merged[name] = start
            save_file(merged, out / shard, metadata={"format": "pt"})
    return out


def distinct_method(method: str, members: int) -> str:
    """Return the simplest method that gives the same model: with one task vector there is nothing to agree on."""
    return {"emr": "linear", "dare_ties": "dare_linear"}.get(method, method) if members == 1 else method


def linear(vectors: list[torch.Tensor], _: float, __: int, ___: int) -> torch.Tensor:
    """The first task vector."""
    return vectors[0]


def ties(vectors: list[torch.Tensor], density: float, _: int, __: int) -> torch.Tensor:
    """Trim, elect a sign, average those that have it."""
    trimmed = _stacked([_trimmed(vector, density) for vector in vectors])
    agreeing = trimmed * (_sign(trimmed) * trimmed > 0)
    return agreeing.sum(0) / (agreeing != 0).sum(0).clamp(min=1)


def dare_linear(vectors: list[torch.Tensor], density: float, seed: int, _: int) -> torch.Tensor:
    """Drop at random, rescale, add."""
    return _stacked(_dropped(vectors, density, seed)).sum(0)


def dare_ties(vectors: list[torch.Tensor], density: float, seed: int, _: int) -> torch.Tensor:
    """Drop at random, rescale, add those that have the elected sign."""
    dropped = _stacked(_dropped(vectors, density, seed))
    return (dropped * (_sign(dropped) * dropped > 0)).sum(0)


def emr(vectors: list[torch.Tensor], _: float, __: int, target: int) -> torch.Tensor:
    """The largest magnitude of the elected sign, where the target has that sign; not rescaled yet."""
    stacked = _stacked(vectors)
    total = stacked.sum(0)
    sign = (total > 0).to(total.dtype) * 2 - 1
    largest = (stacked.abs() * (stacked * sign > 0)).amax(0)
    return sign * largest * (stacked[target] * sign > 0)


METHODS: dict[str, Callable[[list[torch.Tensor], float, int, int], torch.Tensor]] = {
    "linear": linear,
    "ties": ties,
    "dare_linear": dare_linear,
    "dare_ties": dare_ties,
    "emr": emr,
}


def _moved(start: torch.Tensor, tau: torch.Tensor, alpha: float) -> torch.Tensor:
    """``start + alpha * tau`` in the type of ``start``; alpha 0 changes no bit."""
    return (start.float() + alpha * tau).to(start.dtype) if alpha else start


def _emr_scale(base: _Checkpoint, models: Sequence[_Checkpoint], target: int) -> float:
    """Mean magnitude of the target's task vector over that of the merged one, each summed over tensors."""
    wanted = given = 0.0
    for _, names in base.shards():
        for name in names:
            start = base.tensor(name)
            if start.is_floating_point():
                vectors = _task_vectors(name, start, models)
                wanted += float(vectors[target].abs().mean())
                given += float(emr(vectors, 1.0, 0, target).abs().mean())
    return wanted / given if given else 1.0


def _task_vectors(name: str, start: torch.Tensor, models: Sequence[_Checkpoint]) -> list[torch.Tensor]:
    return [_fitted(name, model.tensor(name), start).float() - start.float() for model in models]


def _fitted(name: str, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Cut the first axis to the anchor's length, or repeat its last row."""
    if tensor.shape == like.shape:
        return tensor
    if tensor.dim() != like.dim() or tensor.shape[1:] != like.shape[1:]:
        raise CreditGymError(
            f"{name} has the shape {tuple(tensor.shape)} in one model, {tuple(like.shape)} in the other."
        )
    missing = like.shape[0] - tensor.shape[0]
    if missing <= 0:
        return tensor[: like.shape[0]]
    return tensor[[*range(tensor.shape[0]), *[-1] * missing]]


def _trimmed(vector: torch.Tensor, density: float) -> torch.Tensor:
    if density >= 1.0:
        return vector
    magnitude = vector.abs().flatten()
    smallest = magnitude.topk(max(1, int(density * magnitude.numel()))).values[-1]
    return vector * (vector.abs() >= smallest)


def _dropped(vectors: list[torch.Tensor], density: float, seed: int) -> list[torch.Tensor]:
    if density >= 1.0:
        return vectors
    import torch

    kept = []
    for member, vector in enumerate(vectors):
        generator = torch.Generator().manual_seed(rng.derive(seed, member) >> 1)
        kept.append(vector * (torch.rand(vector.shape, generator=generator) < density) / density)
    return kept


def _sign(stacked: torch.Tensor) -> torch.Tensor:
    """+1 where the sum is not negative, else -1."""
    total = stacked.sum(0)
    return (total >= 0).to(total.dtype) * 2 - 1


def _stacked(vectors: list[torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.stack(vectors)


class _Checkpoint:
    """The safetensors files of a model folder, read tensor by tensor."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Any] = {}
        index = folder / INDEX
        if index.is_file():
            self._shard_of: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        else:
            self._shard_of = {}

    def __enter__(self) -> _Checkpoint:
        from safetensors import safe_open

        opened: Any = safe_open
        paths = sorted({self._folder / shard for shard in self._shard_of.values()})
        for path in paths or sorted(self._folder.glob("*.safetensors")):
            if not path.is_file():
                raise CreditGymError(f"{path} is missing: the model's folder is not complete.")
            self._files[path.name] = opened(path, framework="pt").__enter__()
        if not self._files:
            raise CreditGymError(f"{self._folder} holds no model: there is no *.safetensors file in it.")
        if not self._shard_of:
            self._shard_of = {name: shard for shard, file in self._files.items() for name in file.keys()}  # noqa: SIM118
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            file.__exit__(*error)

    def shards(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each file with the tensors in it, sorted."""
        for shard in sorted(self._files):
            yield shard, sorted(name for name, owner in self._shard_of.items() if owner == shard)

    def tensor(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        if name not in self._shard_of:
            raise CreditGymError(f"{self._folder} has no tensor {name}: these models cannot be merged.")
        found: torch.Tensor = self._files[self._shard_of[name]].get_tensor(name)
        return found
