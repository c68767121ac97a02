"""What ``import credit_gym as cg`` gives: every name, when it is asked for, and with its type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from builders import ROOT

import credit_gym as cg

HEAVY = {"pyarrow", "scipy", "torch", "yaml", "typer", "rich", "matplotlib"}


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print(*sorted(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("name", cg.__all__)
def test_every_name_resolves(name: str) -> None:
    value = getattr(cg, name)
    assert value is getattr(cg, name)
    assert callable(value)
    assert value.__module__.startswith("credit_gym.")


def test_what_is_listed_and_what_is_loaded_are_the_same_names() -> None:
    eager = {"CreditGymError", "register_environments"}
    assert set(cg._HOMES) == set(cg.__all__) - eager
    assert cg.__all__ == sorted(cg.__all__)
    assert set(cg.__all__) <= set(dir(cg))


def test_an_unknown_name_is_answered_with_the_nearest_known() -> None:
    with pytest.raises(AttributeError, match="'EpisodeBatch'"):
        cg.EpisodeBach  # noqa: B018
    with pytest.raises(AttributeError, match="dir"):
        cg.xyzzy  # noqa: B018


def test_the_import_loads_no_room_and_nothing_heavy() -> None:
    loaded = modules_after("import credit_gym")
    assert {name for name in loaded if name.startswith("credit_gym.")} == {
        "credit_gym.errors",
        "credit_gym.registration",
    }
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()


def test_a_name_loads_its_own_room_only() -> None:
    loaded = modules_after("import credit_gym; credit_gym.Episode, credit_gym.EpisodeBatch")
    assert not any(name.startswith(("credit_gym.agents", "credit_gym.envs", "credit_gym.wrappers")) for name in loaded)


@pytest.mark.slow
def test_mypy_sees_the_types(tmp_path: Path) -> None:
    listed = "\n".join(f"reveal_type(cg.{name})" for name in cg.__all__)
    (tmp_path / "script.py").write_text(f"import credit_gym as cg\n{listed}\ncg.Episode().nothing\n")
    command = [
        sys.executable,
        "-m",
        "mypy",
        str(tmp_path / "script.py"),
    ]  # its cache is that of `make types`
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    revealed = [line for line in said.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(cg.__all__)
    assert not any('"Any"' in line for line in revealed), said
    assert '"Episode" has no attribute "nothing"' in said
