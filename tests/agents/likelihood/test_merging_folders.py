"""Merged models as folders: nothing old is left, nothing read is written, and only what is one model is merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.tiny_models import tiny_model

from credit_gym.agents.likelihood.checkpoint import INDEX, SINGLE, Checkpoint
from credit_gym.agents.likelihood.merging import merge
from credit_gym.errors import CreditGymError

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("merging")
    return tiny_model(folder / "anchor", seed=0), tiny_model(folder / "policy", seed=1)


def sharded(folder: Path, source: Path) -> Path:
    """The same model in several files with an index."""
    transformers.AutoModelForCausalLM.from_pretrained(source).save_pretrained(folder, max_shard_size="100KB")
    assert (folder / INDEX).is_file()
    return folder


def loaded(folder: Path) -> dict:
    return transformers.AutoModelForCausalLM.from_pretrained(folder).state_dict()


def read(folder: Path) -> dict:
    with Checkpoint(folder) as found:
        return {name: found.tensor(name) for name in found.names}


def edited(source: Path, folder: Path, name: str, change) -> Path:
    """A copy of a folder with one of its JSON files changed."""
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("many", [False, True])
def test_a_used_folder_holds_the_merged_model_and_nothing_old(tiny, tmp_path, many):
    """Whether many files follow one or one follows many, both loaders read the same."""
    anchor, policy = tiny
    several = sharded(tmp_path / "several", anchor)
    used, source = (anchor, several) if many else (several, anchor)
    out = tmp_path / "out"
    merge(out, anchor=used, policy=used, alpha=0.0)
    (out / "pytorch_model.bin").write_bytes(b"old")
    merge(out, anchor=source, policy=policy, alpha=1.0)
    weights = {name for path in source.iterdir() if "safetensors" in (name := path.name)}
    assert {path.name for path in out.iterdir() if "model" in path.name} == weights
    expected = loaded(policy)
    for name, tensor in read(out).items():
        torch.testing.assert_close(tensor, expected[name])
    for name, tensor in loaded(out).items():
        torch.testing.assert_close(tensor, expected[name])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_one_whole_file_comes_before_an_index_as_for_transformers(tiny, tmp_path):
    anchor, policy = tiny
    both = sharded(tmp_path / "both", policy)
    (both / SINGLE).write_bytes((anchor / SINGLE).read_bytes())
    (both / "pytorch_model.bin").write_bytes(b"pickled")
    out = merge(tmp_path / "out", anchor=both, policy=policy, alpha=0.0)
    assert {path.name for path in out.iterdir() if path.suffix != ".json"} == {SINGLE}
    assert not (out / INDEX).exists()
    for name, tensor in loaded(out).items():
        torch.testing.assert_close(tensor, loaded(anchor)[name])


@pytest.mark.parametrize("place", ["anchor", "policy", "anchor/inside", ".", "anchor/../anchor", "link"])
def test_what_is_read_is_not_written_to(tiny, tmp_path, place):
    for source in tiny:
        edited(source, tmp_path / source.name, "config.json", lambda content: None)
    (tmp_path / "link").symlink_to(tmp_path / "policy")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(CreditGymError, match="write the merged model to another folder"):
        merge(tmp_path / place, anchor=tmp_path / "anchor", policy=tmp_path / "policy")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("what", ["a file", "notes", "a model with folders"])
def test_a_folder_of_something_else_is_not_replaced(tiny, tmp_path, what):
    out = tmp_path / "out"
    if what == "a file":
        out.write_text("mine")
    else:
        (out / "runs").mkdir(parents=True)
        (out / "runs" / "mine").write_text("mine")
        (out / ("config.json" if "model" in what else "notes.md")).write_text("{}")
    with pytest.raises(CreditGymError, match="name a new folder"):
        merge(out, anchor=tiny[0], policy=tiny[1])
    assert (out if out.is_file() else out / "runs" / "mine").read_text() == "mine"


def test_a_merge_that_fails_leaves_the_folder_as_it_was(tiny, tmp_path):
    anchor, policy = tiny
    out = merge(tmp_path / "out", anchor=anchor, policy=policy)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    cut = edited(policy, tmp_path / "cut", "config.json", lambda content: None)
    tensors = safetensors.load_file(cut / SINGLE)
    safetensors.save_file(dict(list(tensors.items())[:-1]), cut / SINGLE)
    with pytest.raises(CreditGymError, match="has no tensor"):
        merge(out, anchor=anchor, policy=cut)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "out"]


def permute(content: dict) -> None:
    words = content["model"]["vocab"]
    first, second = sorted(words, key=words.get)[100:102]
    words[first], words[second] = words[second], words[first]


def rename_special(content: dict) -> None:
    content["added_tokens"][-1]["content"] = "<|other|>"


@pytest.mark.parametrize("change", [permute, rename_special])
def test_models_of_other_vocabularies_are_not_merged(tiny, tmp_path, change):
    """Of equal size: nothing else would show it."""
    anchor, policy = tiny
    other = edited(policy, tmp_path / "other", "tokenizer.json", change)
    for models in ({"policy": other}, {"policy": policy, "others": [other]}):
        with pytest.raises(CreditGymError, match=r"Token \d+ is .* models of different vocabularies cannot be merged"):
            merge(tmp_path / "out", anchor=anchor, **models)
    assert not (tmp_path / "out").exists()


def test_further_tokens_and_another_end_of_turn_are_no_other_vocabulary(tiny, tmp_path):
    anchor, policy = tiny

    def grow(content):
        content["added_tokens"].append({**content["added_tokens"][-1], "id": 600, "content": "<|new|>"})

    longer = edited(policy, tmp_path / "longer", "tokenizer.json", grow)
    ending = edited(policy, tmp_path / "ending", "config.json", lambda content: content.update(eos_token_id=1))
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / SINGLE).write_bytes((policy / SINGLE).read_bytes())
    for number, model in enumerate((longer, ending, bare)):
        assert merge(tmp_path / f"out{number}", anchor=anchor, policy=model).is_dir()


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        ({"vocab.txt": "a\nb\nc\n"}, {"vocab.txt": "a\nc\nb\n"}),
        ({"vocab.json": '{"a": 0, "b": 1}'}, {"vocab.json": '{"a": 1, "b": 0}'}),
        ({"vocab.json": '{"a": 0}', "added_tokens.json": '{"<x>": 1}'}, {"added_tokens.json": '{"<y>": 1}'}),
        ({"tokenizer.model": "ab"}, {"tokenizer.model": "ba"}),
        (
            {"tokenizer.json": '{"model": {"vocab": [["a", 0.0], ["b", -1.0]]}}'},
            {"tokenizer.json": '{"model": {"vocab": [["b", 0.0], ["a", -1.0]]}}'},
        ),
    ],
    ids=["vocab.txt", "vocab.json", "added_tokens.json", "tokenizer.model", "unigram"],
)
def test_every_kind_of_tokenizer_file_is_compared(tmp_path, files, changed):
    anchor, same, other = (tmp_path / name for name in ("anchor", "same", "other"))
    for folder, given in ((anchor, files), (same, files), (other, {**files, **changed})):
        folder.mkdir()
        safetensors.save_file({"w": torch.zeros(2, 2)}, folder / SINGLE)
        for name, content in given.items():
            (folder / name).write_text(content)
    merge(tmp_path / "out", anchor=anchor, policy=same)
    with pytest.raises(CreditGymError, match="different vocabularies"):
        merge(tmp_path / "out", anchor=anchor, policy=other)


@pytest.mark.parametrize(
    ("field", "value"), [("num_attention_heads", 2), ("hidden_act", "gelu"), ("tie_word_embeddings", True)]
)
def test_models_of_other_configurations_are_not_merged(tiny, tmp_path, field, value):
    """Of equal shapes: nothing else would show it."""
    anchor, policy = tiny
    other = edited(policy, tmp_path / "other", "config.json", lambda content: content.update({field: value}))
    with pytest.raises(CreditGymError, match=f"has {field} .* cannot be merged"):
        merge(tmp_path / "out", anchor=anchor, policy=other)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "{"),
        ("config.json", "[" * 100_000),
        ("tokenizer.json", '{"model": 7}'),
        ("tokenizer.json", '{"model": {"vocab": {"a": []}}}'),
        (SINGLE, "no tensors"),
    ],
)
def test_a_damaged_file_is_one_sentence(tiny, tmp_path, name, content):
    anchor, policy = tiny
    other = edited(policy, tmp_path / "other", "config.json", lambda content: None)
    (other / name).write_text(content)
    with pytest.raises(CreditGymError, match=r"save (the model|it) again") as caught:
        merge(tmp_path / "out", anchor=anchor, policy=other)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["{", "{}", '{"weight_map": {"w": "../x.safetensors"}}', '{"weight_map": {"w": 7}}']
)
def test_a_damaged_index_is_one_sentence(tiny, tmp_path, content):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / INDEX).write_text(content)
    with pytest.raises(CreditGymError, match="is no index of files beside it"):
        merge(tmp_path / "out", anchor=tiny[0], policy=tmp_path / "other")


def test_a_model_with_further_tensors_and_a_target_that_is_none_are_refused(tiny, tmp_path):
    anchor, policy = tiny
    more = edited(policy, tmp_path / "more", "config.json", lambda content: None)
    safetensors.save_file({**safetensors.load_file(more / SINGLE), "extra.weight": torch.zeros(1)}, more / SINGLE)
    with pytest.raises(CreditGymError, match=r"has no tensor extra\.weight"):
        merge(tmp_path / "out", anchor=anchor, policy=more)
    with pytest.raises(CreditGymError, match="target must be one of the models"):
        merge(tmp_path / "out", anchor=anchor, policy=policy, method="emr", target=anchor)
