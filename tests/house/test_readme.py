"""What the README and the pages of ``docs/`` show runs as it stands, and what they link to exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from builders import ROOT
from builders.conversations import lamps
from builders.phone_company import write_phone_company

from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.results import from_moment, write_results

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FRAGMENTS = {("scaling.md", 0), ("doors.md", 0)}  # need a model or a cluster that the reader has: their imports run
ELSEWHERE = {("doors.md", 1), ("doors.md", 2)}  # of packages that have environments of their own: tests/with_verl
BEFOREHAND = {"tau2.md": "from pathlib import Path\npath = Path('results.json')\n"}
AFTERWARDS = {
    "README.md": "assert len(info['targets']) > 8\n",
    "extending.md": (
        "assert len(episodes) == 16\n"
        "credit = cg.score(cg.EpisodeBatch.from_episodes(episodes), 'state_mean', scale=2.0)\n"
        "assert credit.size == sum(map(len, episodes))\n"
    ),
    "tau2.md": "assert [len(episode) for episode in episodes] == [2]\n",
    "language_models.md": "assert all(target.credit == target.credit for target in info['targets'])\n",
}
PRINTED = {"README.md": 5, "language_models.md": 1}


def blocks(page: Path) -> list[str]:
    found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [
        "\n".join(re.findall("^(?:from|import) .*", block, re.MULTILINE)) if (page.name, number) in FRAGMENTS else block
        for number, block in enumerate(found)
        if (page.name, number) not in ELSEWHERE
    ]


@pytest.mark.slow
@pytest.mark.parametrize("page", list(filter(blocks, PAGES)), ids=lambda page: page.name)
def test_the_examples_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    code = "\n".join((BEFOREHAND.get(page.name, ""), *blocks(page), AFTERWARDS.get(page.name, "")))
    write_phone_company(tmp_path)
    tau2_results(tmp_path)
    data = {**os.environ, "TAU2_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=data, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if page.name in PRINTED:
        assert len(done.stdout.splitlines()) == PRINTED[page.name]


def tau2_results(folder: Path) -> None:
    """Results of tau2's retail domain, as somebody may have them who reads of it."""
    env = Tau2Env("retail", data=lamps(folder), mode="upstream", task_id="one")
    env.reset(seed=0)
    env.step("cancel_pending_order(order_id='#W1', reason='no longer needed')")
    env.step("done()")
    write_results(
        folder / "results.json", env.domain, [from_moment(env.domain, env.task, env.moment, id="s")], agent="a"
    )


def test_the_pages_that_others_rely_on_have_examples() -> None:
    assert {page.name for page in PAGES if blocks(page)} >= AFTERWARDS.keys()
