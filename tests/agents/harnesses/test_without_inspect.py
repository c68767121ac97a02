"""inspect_ai is an extra: without it its tasks say so."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = ("inspect_chats", "inspect_play", "inspect_tasks")


@pytest.mark.parametrize("module", MODULES)
def test_a_missing_inspect_is_named_with_its_extra(module: str) -> None:
    program = f"import sys; sys.modules['inspect_ai'] = None; import credit_gym.agents.harnesses.{module}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 1
    said = run.stderr.strip().splitlines()[-1]
    assert said.endswith('is not installed: pip install "credit-gym[inspect]".')
