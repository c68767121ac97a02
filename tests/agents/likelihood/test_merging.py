"""Merged reference models: the identities that hold between the methods."""

from __future__ import annotations

from pathlib import Path

import pytest

from credit_gym.agents.likelihood.merging import METHODS, distinct_method, merge
from credit_gym.errors import CreditGymError, UnknownNameError

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")


def checkpoint(folder: Path, seed: int, *, rows: int = 12, dtype: object = None) -> Path:
    """A model of three tensors, two of them floats."""
    generator = torch.Generator().manual_seed(seed)
    folder.mkdir()
    weights = {
        "embed.weight": torch.randn(rows, 8, generator=generator).to(dtype or torch.float32),
        "layer.bias": torch.randn(8, generator=generator).to(dtype or torch.float32),
        "positions": torch.arange(4),
    }
    safetensors.save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(f'{{"seed": {seed}}}')
    return folder


def weights(folder: Path) -> dict:
    return safetensors.load_file(folder / "model.safetensors")


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path, Path]:
    return tuple(checkpoint(tmp_path / name, seed) for seed, name in enumerate(("anchor", "policy", "other")))


def assert_equal(a: Path, b: Path, tolerance: float = 0.0) -> None:
    for (name, x), y in zip(weights(a).items(), weights(b).values(), strict=True):
        torch.testing.assert_close(x, y, rtol=0.0, atol=tolerance, msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_alpha_0_is_the_anchor_bit_for_bit(method: str, models: tuple[Path, ...], tmp_path: Path) -> None:
    anchor, policy, other = models
    out = merge(tmp_path / "out", anchor=anchor, policy=policy, others=[other], method=method, alpha=0.0)
    assert_equal(out, anchor)
    assert (out / "config.json").read_text() == (anchor / "config.json").read_text()


def test_linear_alpha_1_is_the_policy(models: tuple[Path, ...], tmp_path: Path) -> None:
    anchor, policy, _ = models
    assert_equal(merge(tmp_path / "out", anchor=anchor, policy=policy, alpha=1.0), policy)


@pytest.mark.parametrize("method", ["emr", "dare_ties"])
def test_with_one_task_vector_there_is_nothing_to_agree_on(
    method: str, models: tuple[Path, ...], tmp_path: Path
) -> None:
    anchor, policy, _ = models
    assert distinct_method(method, 1) != method
    both = [
        merge(tmp_path / name, anchor=anchor, policy=policy, method=name, alpha=0.3, seed=5)
        for name in (method, distinct_method(method, 1))
    ]
    assert_equal(*both, 1e-6)
    assert distinct_method(method, 2) == method


def test_density_1_turns_dare_into_the_sum_and_ties_into_a_mean_of_the_agreeing(
    models: tuple[Path, ...], tmp_path: Path
) -> None:
    anchor, policy, other = models
    a, p, o = (weights(path)["embed.weight"] for path in models)
    options = {"anchor": anchor, "policy": policy, "others": [other], "alpha": 1.0, "density": 1.0}
    added = weights(merge(tmp_path / "dare", method="dare_linear", **options))["embed.weight"]
    torch.testing.assert_close(added, p + o - a)
    merged = weights(merge(tmp_path / "ties", method="ties", **options))["embed.weight"] - a
    agree = (p - a) * (o - a) > 0
    torch.testing.assert_close(merged[agree], ((p - a + o - a) / 2)[agree], atol=1e-6, rtol=1e-5)


def test_ties_keeps_the_largest_share(models: tuple[Path, ...], tmp_path: Path) -> None:
    anchor, policy, _ = models
    out = merge(tmp_path / "out", anchor=anchor, policy=policy, method="ties", alpha=1.0, density=0.25)
    moved = weights(out)["embed.weight"] != weights(anchor)["embed.weight"]
    assert int(moved.sum()) == 24
    change = (weights(policy)["embed.weight"] - weights(anchor)["embed.weight"]).abs()
    assert change[moved].min() > change[~moved].max()


def test_dare_draws_do_not_depend_on_the_other_tensors(models: tuple[Path, ...], tmp_path: Path) -> None:
    anchor, policy, _ = models
    whole = merge(tmp_path / "whole", anchor=anchor, policy=policy, method="dare_linear", seed=3)
    parts = []
    for folder in (anchor, policy):
        part = tmp_path / f"{folder.name}-part"
        part.mkdir()
        safetensors.save_file({"layer.bias": weights(folder)["layer.bias"]}, part / "model.safetensors")
        parts.append(part)
    alone = merge(tmp_path / "alone", anchor=parts[0], policy=parts[1], method="dare_linear", seed=3)
    assert torch.equal(weights(whole)["layer.bias"], weights(alone)["layer.bias"])


@pytest.mark.parametrize("rows", [10, 15])
def test_a_vocabulary_of_another_size_is_cut_or_filled(rows: int, models: tuple[Path, ...], tmp_path: Path) -> None:
    padded = checkpoint(tmp_path / "padded", 7, rows=rows)
    merged = weights(merge(tmp_path / "out", anchor=models[0], policy=padded, alpha=1.0))["embed.weight"]
    source = weights(padded)["embed.weight"]
    assert merged.shape == (12, 8)
    torch.testing.assert_close(merged[11], source[min(rows - 1, 11)], atol=1e-6, rtol=0)


def test_half_precision_is_added_in_float32_and_stored_as_it_was(tmp_path: Path) -> None:
    anchor, policy = (checkpoint(tmp_path / str(seed), seed, dtype=torch.bfloat16) for seed in (1, 2))
    merged = weights(merge(tmp_path / "out", anchor=anchor, policy=policy, alpha=0.25))["embed.weight"]
    a, p = (weights(path)["embed.weight"].float() for path in (anchor, policy))
    assert merged.dtype == torch.bfloat16
    assert torch.equal(merged, (a + 0.25 * (p - a)).to(torch.bfloat16))


def test_bad_input_is_named(models: tuple[Path, ...], tmp_path: Path) -> None:
    anchor, policy, _ = models
    with pytest.raises(UnknownNameError, match="ties"):
        merge(tmp_path / "out", anchor=anchor, policy=policy, method="tie")
    with pytest.raises(CreditGymError, match="alpha must lie"):
        merge(tmp_path / "out", anchor=anchor, policy=policy, alpha=1.5)
    with pytest.raises(CreditGymError, match="holds no model"):
        merge(tmp_path / "out", anchor=anchor, policy=tmp_path)
    part = tmp_path / "part"
    part.mkdir()
    safetensors.save_file({"layer.bias": torch.zeros(8)}, part / "model.safetensors")
    with pytest.raises(CreditGymError, match=r"has no tensor embed\.weight"):
        merge(tmp_path / "out", anchor=anchor, policy=part)
