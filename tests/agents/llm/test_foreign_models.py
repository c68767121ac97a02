"""Model folders that bring code or pickles: neither runs, nothing is asked on the terminal, and trust is said aloud."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from builders.tiny_models import tiny_model  # noqa: E402

from credit_gym.agents.likelihood.language_model import LanguageModel, release  # noqa: E402
from credit_gym.agents.likelihood.wild_reward import WildReward  # noqa: E402
from credit_gym.agents.llm.backends import Settings, parse_backend, settings_from, settings_record  # noqa: E402
from credit_gym.agents.llm.chat_tokens import ChatTokens  # noqa: E402
from credit_gym.agents.llm.pretrained import load_model, load_tokenizer  # noqa: E402
from credit_gym.cli.language_model import read_settings  # noqa: E402
from credit_gym.errors import BackendError  # noqa: E402

_NO_OPTIONS: dict[str, Any] = {"prompting": None, "temperature": None, "price": None, "cache": None}
_CODE = """
from pathlib import Path
Path({mark!r}).touch()
from transformers import {base}, {config}
class Own{config}({config}):
    model_type = "own"
class Own{base}({base}):
    config_class = Own{config}
"""


class _Bang:
    """A pickle that leaves a mark when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def coded(tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of a type that only the Python file beside it knows."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("something is asked on the terminal"))
    folder = tiny_model(tmp_path / "coded")
    names = {"base": "Qwen2ForCausalLM", "config": "Qwen2Config"}
    (folder / "own.py").write_text(_CODE.format(mark=str(mark), **names))
    config = json.loads((folder / "config.json").read_text())
    auto = {"AutoConfig": "own.OwnQwen2Config", "AutoModelForCausalLM": "own.OwnQwen2ForCausalLM"}
    auto["AutoModelForSequenceClassification"] = "own.OwnQwen2ForCausalLM"
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": auto}))
    return folder


LOADERS: dict[str, Callable[[Path, bool], object]] = {
    "hf": lambda folder, trusted: parse_backend(f"hf:{folder}", Settings(trust_remote_code=trusted)),
    "likelihood": lambda folder, trusted: LanguageModel(folder, device="cpu", trust_remote_code=trusted).network,
    "reward model": lambda folder, _: WildReward(str(folder)),
}


@pytest.mark.slow
@pytest.mark.parametrize("loader", LOADERS)
def test_code_of_a_model_folder_is_not_run(loader: str, coded: Path, mark: Path) -> None:
    release()
    with pytest.raises(BackendError, match="--trust-remote-code"):
        LOADERS[loader](coded, False)
    assert not mark.exists()


def test_code_is_run_where_it_is_trusted_and_that_is_said_and_recorded(coded: Path, mark: Path) -> None:
    settings = Settings(trust_remote_code=True)
    with pytest.warns(UserWarning, match="Code that comes with .*coded' is run"):
        parse_backend(f"hf:{coded}", settings)
    assert mark.exists()
    assert settings_record(settings)["trust_remote_code"] is True
    assert settings_from(settings_record(settings)) == settings


def test_a_record_of_somebody_else_s_cannot_ask_for_trust() -> None:
    record = settings_record(Settings(trust_remote_code=True))
    assert not read_settings(record, **_NO_OPTIONS).trust_remote_code
    assert read_settings(record, **_NO_OPTIONS, trust_remote_code=True).trust_remote_code


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("kind", ["model", "adapter"])
@pytest.mark.filterwarnings("ignore:Code that comes with")
def test_weights_that_are_a_pickle_are_never_read(
    loader: str, kind: str, trusted: bool, tmp_path: Path, mark: Path
) -> None:
    release()
    folder = tiny_model(tmp_path / "pickled")
    if kind == "model":
        (folder / "model.safetensors").unlink()
        torch.save({"weight": _Bang(mark)}, folder / "pytorch_model.bin")
    else:
        about = {"peft_type": "LORA", "base_model_name_or_path": str(folder), "r": 1, "target_modules": ["q_proj"]}
        (folder / "adapter_config.json").write_text(json.dumps(about))
        torch.save({"weight": _Bang(mark)}, folder / "adapter_model.bin")
    with pytest.raises(BackendError):
        LOADERS[loader](folder, trusted)
    assert not mark.exists()


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"attn_implementation": "somebody/kernel"}, "code from the hub"),
        ({"_attn_implementation": "kernels-community/kernel@main"}, "code from the hub"),
        ({"num_hidden_layers": 10**9}, "1000000000 layers"),
        ({"deep": [[]]}, "no configuration"),
    ],
)
def test_a_configuration_fetches_no_code_and_builds_no_endless_model(
    loader: str, entries: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = tiny_model(tmp_path / "model")
    text = json.dumps(json.loads((folder / "config.json").read_text()) | entries)
    (folder / "config.json").write_text(text.replace("[[]]", "[" * 5000 + "]" * 5000))
    with pytest.raises(BackendError, match=said):
        LOADERS[loader](folder, False)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__['os'].popen('id').read() }}",
        "{{ self.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{{ messages.append(1) }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
    ],
)
def test_a_chat_template_reaches_no_python(template: str, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model(tmp_path / "model"))
    tokenizer.chat_template = template
    with pytest.raises(BackendError, match="chat template"):
        ChatTokens(tokenizer).prompt([{"role": "user", "content": "hi"}])


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"base_model_name_or_path": "/nowhere/model"}, "no model folder"),
        ({"base_model_name_or_path": "{deep}"}, "1000000000 layers"),
        ({"base_model_name_or_path": "{adapter}"}, "an adapter as its base"),
        ({"r": 10**9}, "rank 1000000000"),
        ({"rank_pattern": {"q_proj": 10**9}}, "rank 1000000000"),
        ({"rank_pattern": 3}, "names no base model"),
    ],
)
def test_an_adapter_has_nothing_loaded_that_would_be_refused_itself(
    entries: dict[str, Any], said: str, tmp_path: Path
) -> None:
    base, deep, folder = (tiny_model(tmp_path / name) for name in ("base", "deep", "folder"))
    (deep / "config.json").write_text(
        json.dumps({**json.loads((deep / "config.json").read_text()), "num_layers": 10**9})
    )
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    about = {"peft_type": "LORA", "base_model_name_or_path": str(base), "r": 1, "target_modules": ["q_proj"]} | entries
    about["base_model_name_or_path"] = str(about["base_model_name_or_path"]).format(
        deep=deep, adapter=tmp_path / "adapter"
    )
    (folder / "adapter_config.json").write_text(json.dumps(about))
    (folder / "adapter_model.safetensors").touch()
    with pytest.raises(BackendError, match=said):
        load_model(transformers.AutoModelForCausalLM, folder)


@pytest.mark.parametrize("bad", ["{", "[]", '{"base_model_name_or_path": ', "[" * 5000])
def test_an_adapter_that_names_no_base_is_refused_in_a_sentence(bad: str, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "adapter")
    (folder / "adapter_config.json").write_text(bad)
    with pytest.raises(BackendError, match="names no base model"):
        _ = LanguageModel(folder).identity
