"""Reference models between two checkpoints: task vectors merged tensor by tensor, one shard in memory at a time.

Source: the reference-merging sweep of Progress Advantage (arXiv:2606.26080) over task arithmetic (Ilharco et al. 2023),
TIES (Yadav et al. 2023), DARE (Yu et al. 2024) and EMR (Huang et al. 2024).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from credit_gym import rng
from credit_gym.agents.likelihood.checkpoint import Checkpoint, replaced
from credit_gym.agents.likelihood.same_model import check_same_model
from credit_gym.errors import CreditGymError, missing_extra, unknown

if TYPE_CHECKING:
    import torch

_IDLE = ("lm_head.weight", "inv_freq")  # what some programs save although the model has it from elsewhere


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
        out: folder to write, beside the others and not within them; configuration and tokenizer are the anchor's. It is
            written whole or not at all, and a model that is in it already goes with all its files.
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
        CreditGymError: a number is out of range; ``out`` is in the way; or the models do not have the same tensors,
            vocabulary or configuration (:func:`~credit_gym.agents.likelihood.same_model.check_same_model`).
        MissingExtraError: torch or safetensors is not installed.
    """
    if method not in METHODS:
        raise unknown("merging method", method, METHODS)
    if not 0.0 <= alpha <= 1.0 or not 0.0 < density <= 1.0:
        raise CreditGymError(f"alpha must lie in [0, 1] and density in (0, 1], not {alpha} and {density}.")
    members = [policy, *others]
    if target is not None and target not in members:
        raise CreditGymError("target must be one of the models that are merged: the policy or one of the others.")
    chosen = 0 if target is None else members.index(target)
    combine = METHODS[method]
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise missing_extra("safetensors", "hf") from error
    with ExitStack() as stack:
        base, *models = (stack.enter_context(Checkpoint(path)) for path in (anchor, *members))
        for model in models:
            _check_apart(out, base, model)
            _check_same_tensors(base, model)
            check_same_model(anchor, model.folder)
        scale = _emr_scale(base, models, chosen) if method == "emr" else 1.0
        part = stack.enter_context(replaced(out))
        base.copy_rest(part)
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
            save_file(merged, part / shard, metadata={"format": "pt"})
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


def _check_apart(out: Path, *sources: Checkpoint) -> None:
    """Refuse a folder that is one of the sources, lies within one, or has one within it."""
    where = out.resolve()
    for folder in (source.folder.resolve() for source in sources):
        if where == folder or where in folder.parents or folder in where.parents:
            raise CreditGymError(f"{out} overlaps {folder}, which is read: write the merged model to another folder.")


def _check_same_tensors(base: Checkpoint, model: Checkpoint) -> None:
    """Refuse a model that has more than the anchor; what it lacks is said when it is read."""
    for name in sorted(model.names - base.names):
        if not name.endswith(_IDLE):
            raise CreditGymError(f"{base.folder} has no tensor {name}: these models cannot be merged.")


def _moved(start: torch.Tensor, tau: torch.Tensor, alpha: float) -> torch.Tensor:
    """``start + alpha * tau`` in the type of ``start``; alpha 0 changes no bit."""
    return (start.float() + alpha * tau).to(start.dtype) if alpha else start


def _emr_scale(base: Checkpoint, models: Sequence[Checkpoint], target: int) -> float:
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


def _task_vectors(name: str, start: torch.Tensor, models: Sequence[Checkpoint]) -> list[torch.Tensor]:
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
