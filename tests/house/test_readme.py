"""What the README shows runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys

from builders import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_examples_run_in_order() -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    code += (
        "\nfrom credit_gym.testing import check_env\n"
        "from credit_gym.data.batch import EpisodeBatch\n"
        "from credit_gym.scorers import score\n"
        "check_env(Coin())\n"
        "assert len(episodes) == 16\n"
        "credit = score(EpisodeBatch.from_episodes(episodes), 'state_mean', scale=2.0)\n"
        "assert credit.size == sum(map(len, episodes))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6


def test_every_linked_file_exists() -> None:
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), target
