"""What the README and the pages of ``docs/`` show runs as it stands, and what they link to exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from builders import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FRAGMENTS = {("scaling.md", 0), ("tau2.md", 1)}  # go on from what the reader has: only their imports can run
AFTERWARDS = {
    "README.md": "assert len(info['targets']) > 8\n",
    "extending.md": (
        "assert len(episodes) == 16\n"
        "credit = cg.score(cg.EpisodeBatch.from_episodes(episodes), 'state_mean', scale=2.0)\n"
        "assert credit.size == sum(map(len, episodes))\n"
    ),
    "language_models.md": "assert all(target.credit == target.credit for target in info['targets'])\n",
}
PRINTED = {"README.md": 5, "language_models.md": 1}


def blocks(page: Path) -> list[str]:
    found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [
        "\n".join(re.findall("^(?:from|import) .*", block, re.MULTILINE)) if (page.name, number) in FRAGMENTS else block
        for number, block in enumerate(found)
    ]


@pytest.mark.parametrize("page", list(filter(blocks, PAGES)), ids=lambda page: page.name)
def test_the_examples_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    code = "\n".join(blocks(page)) + "\n" + AFTERWARDS.get(page.name, "")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if page.name in PRINTED:
        assert len(done.stdout.splitlines()) == PRINTED[page.name]


def test_the_pages_that_others_rely_on_have_examples() -> None:
    assert {page.name for page in PAGES if blocks(page)} >= AFTERWARDS.keys()
