"""The table of human labels: rows, groups, thresholds and refusals, on a small copy made here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from credit_gym import scorers
from credit_gym.baselines.tables import human_labels
from credit_gym.errors import CreditGymError, MissingColumnError, OptionError, StoreError

# Two runs of one task: the first solved, all steps good; the second failed, its second step the first error.
RUNS = [
    {"query_index": 0, "total_index": 0, "final_label": 1, "step_labels": {"1": 1, "3": 1}},
    {"query_index": 0, "total_index": 1, "final_label": -1, "step_labels": {"1": 1, "3": -1}},
]
MESSAGES = [
    {"role": "user", "content": "Where is it?"},
    {"role": "assistant", "content": "look"},
    {"role": "user", "content": "nothing"},
    {"role": "assistant", "content": "here"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [json.dumps({**run, "messages": MESSAGES}) for run in RUNS]
    (tmp_path / "bfcl.jsonl").write_text("\n".join([lines[0], "{", lines[1]]))
    return tmp_path


def cells(markdown: Path) -> dict[str, list[str]]:
    rows = [line.split("|")[1:-1] for line in markdown.read_text().splitlines() if line.startswith("|")]
    return {row[0].strip().replace("\\", ""): [cell.strip().replace("\\", "") for cell in row[1:]] for row in rows}


def test_a_scorer_is_one_row_beside_the_two_that_need_none(folder: Path) -> None:
    """GRPO says 1, 1, -1, -1 where people said 1, 1, 1, -1: three of four, and the wrong first error."""
    human_labels.main(data=folder, scorer=["grpo", "outcome_only"], markdown=folder / "out.md")
    found = cells(folder / "out.md")
    assert found["every step good"] == ["75.0 [75.0, 75.0]", "50.0 [50.0, 50.0]"]
    assert found["every step as the whole run"] == found["grpo"] == ["75.0 [75.0, 75.0]", "50.0 [50.0, 50.0]"]
    # the return is 1 or 0: two good steps are met, and nothing is blamed
    assert found["outcome_only"] == ["50.0 [50.0, 50.0]", "50.0 [50.0, 50.0]"]
    assert "bfcl: 2 trajectories of 1 tasks, 1 damaged left out (Line 2" in (folder / "out.md").read_text()


def test_a_threshold_silences_small_credits_and_options_reach_the_scorer(folder: Path) -> None:
    human_labels.main(data=folder, scorer=["grpo"], threshold=1.0, markdown=folder / "a.md")
    assert cells(folder / "a.md")["grpo"] == ["0.0 [0.0, 0.0]", "50.0 [50.0, 50.0]"]
    human_labels.main(data=folder, scorer=["gae"], option=["lam=0.5", "discount=1"], markdown=folder / "b.md")
    assert "gae(discount=1, lam=0.5)" in cells(folder / "b.md")


def test_by_default_all_scorers_that_read_nothing_else_are_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tau2.jsonl").write_text((folder / "bfcl.jsonl").read_text())
    monkeypatch.setenv("AGENT_PROCESS_BENCH_DIR", str(folder))
    human_labels.main(markdown=folder / "out.md")
    needless = {name for name in scorers.names() if not scorers.get(name).needs}
    assert needless <= set(cells(folder / "out.md"))
    assert "oracle" not in cells(folder / "out.md")
    text = (folder / "out.md").read_text()
    assert [name for name in ("bfcl: 2", "tau2: 2", "all: 4 trajectories of 2 tasks") if name not in text] == []


def test_what_cannot_be_compared_is_one_sentence(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENT_PROCESS_BENCH_DIR", raising=False)
    with pytest.raises(CreditGymError, match="AGENT_PROCESS_BENCH_DIR"):
        human_labels.main()
    with pytest.raises(MissingColumnError, match="verifier"):
        human_labels.main(data=folder, scorer=["pbrs"])
    with pytest.raises(OptionError, match="lam of gae"):
        human_labels.main(data=folder, scorer=["gae"], option=["lam=2"])
    with pytest.raises(CreditGymError, match="KEY=VALUE"):
        human_labels.main(data=folder, scorer=["gae"], option=["lam"])
    with pytest.raises(CreditGymError, match="name it"):
        human_labels.main(data=folder, option=["lam=1"])
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(StoreError, match="jsonl"):
        human_labels.main(data=empty)
    for text, why in (("", "empty"), ("{", "Line 1")):
        (empty / "x.jsonl").write_text(text)
        with pytest.raises(CreditGymError, match=f"not one trajectory.*{why}"):
            human_labels.main(data=empty)
