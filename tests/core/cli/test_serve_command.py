"""``credit-gym serve`` without the package that it serves with: what is wrong is said, and a package is written."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from builders.commands import call, good

STOCHASTIC = "credit/Stochastic-v0"


def test_a_package_holds_what_is_served_and_names_the_extra(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    asked = ("--env-arg", "num_tasks=7", "--scorer", "gigpo", "--option", "discount=0.9", "--sessions", "3")
    good("serve", "--env", STOCHASTIC, *asked, "--token", "secret", "--package", str(folder))
    assert yaml.safe_load((folder / "openenv.yaml").read_text())["app"] == "server.app:app"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert any(each.startswith("credit-gym[openenv]") for each in project["dependencies"])
    written = (folder / "server" / "app.py").read_text()
    compile(written, "app.py", "exec")
    for line in ("arguments={'num_tasks': 7}", "scorer='gigpo'", "options={'discount': 0.9}", "sessions=3"):
        assert line in written
    assert "secret" not in written


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.1.example.org"])
def test_beyond_this_machine_a_token_is_needed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDIT_GYM_TOKEN", raising=False)
    said = call("serve", "--env", STOCHASTIC, "--host", host)
    assert said.exit_code == 2
    assert "give --token, or set CREDIT_GYM_TOKEN" in said.output


@pytest.mark.skipif(find_spec("openenv") is not None, reason="the extra is here")
def test_without_the_extra_it_is_named(tmp_path: Path) -> None:
    said = call("serve", "--env", STOCHASTIC)
    assert said.exit_code == 2
    assert 'pip install "credit-gym[openenv]"' in said.output
