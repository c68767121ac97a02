from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import math
import re
import tempfile
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.episodes import HOSTILE, episodes, walk
from hypothesis import given, settings
from rich.console import Console

from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError, StoreError
from credit_gym.report import Table, printable, to_html, to_latex, to_markdown, to_rich, write_report
from credit_gym.report.plots import Curve, plot_bars, plot_credits, plot_curves, save

TABLE = Table(
    "Success", ("scorer", "mean", "n", "note"), (("outcome_only", 0.25, 15, "a|b"), ("crbc", math.nan, 3, None))
)


class Page(html.parser.HTMLParser):
    """What a browser would make of a page: its elements, their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": [], "td": [], "figcaption": []}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._open = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.texts:
            self.texts[self._open][-1] += data


def report(tmp_path: Path, played: list[Episode], **arguments: Any) -> tuple[str, Page]:
    path = tmp_path / "report.html"
    write_report(path, **{"title": "Test", "episodes": played, "credits": {}, **arguments})
    text = path.read_text("utf-8")
    return text, Page(text)


def block(page: Page, name: str) -> Any:
    """The data of a block of a page."""
    names = [attributes.get("id") for tag, attributes in page.elements if tag == "script"]
    return json.loads(page.texts["script"][names.index(name)])


def hostile_episode() -> Episode:
    points = (*HOSTILE, "end")
    each = tuple((text,) for text in HOSTILE)
    return walk(
        steps=len(HOSTILE),
        task_id=HOSTILE[0],
        goal="".join(HOSTILE),
        agent_id=HOSTILE[1],
        error=HOSTILE[4],
        observations=points,
        actions=HOSTILE,
        roles=HOSTILE,
        admissible_actions=each,
        expert_actions=each,
        thoughts=HOSTILE,
        replies=tuple(f"{text} " for text in HOSTILE),
        finish_reasons=HOSTILE,
        tool_calls=tuple(({"id": text, "name": text, "arguments": {text: text}},) for text in HOSTILE),
    )


def test_hostile_text_adds_no_element_attribute_or_script(tmp_path: Path) -> None:
    table = Table(HOSTILE[0], (HOSTILE[1],), tuple((text,) for text in HOSTILE))
    credits = {text: [[0.5] * len(HOSTILE)] for text in HOSTILE}
    _, plain = report(
        tmp_path, [walk()], credits={"a": [[0.0] * 3]}, tables=[Table("t", ("c",), (("x",),) * len(HOSTILE))]
    )
    _, page = report(tmp_path, [hostile_episode()], credits=credits, tables=[table], title=HOSTILE[0] + "\ud800")
    assert page.elements == plain.elements
    assert page.texts["script"][-1] == plain.texts["script"][-1]
    assert page.texts["title"] == [HOSTILE[0] + r"\ud800"]
    assert page.texts["td"] == [printable(text) for text in HOSTILE]


def test_what_a_model_thought_wrote_and_called_is_there_as_text(tmp_path: Path) -> None:
    _, page = report(tmp_path, [hostile_episode()])
    assert not any(set(text) & set("<>&") for text in page.texts["script"][:-1])
    leaf = block(page, "steps-0")

    def said(column: str) -> list[str]:
        return [leaf["texts"][number] for number in leaf[column]]

    assert said("thoughts") == said("finish") == list(map(printable, HOSTILE))
    assert said("replies") == [printable(f"{text} ") for text in HOSTILE]
    calls = [[leaf["texts"][n] for n in leaf["lists"][number]] for number in leaf["calls"]]
    assert calls == [[printable(f"{text}({json.dumps({text: text}, ensure_ascii=False)})")] for text in HOSTILE]
    _, plain = report(tmp_path, [walk(thoughts=("", "", ""), replies=("go 0", "", "go 2"), tool_calls=((), (), ()))])
    assert not {"thoughts", "replies", "finish", "calls"} & block(plain, "steps-0").keys()


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(episode=episodes())
def test_the_data_block_holds_the_episode_and_cannot_end_early(episode: Episode) -> None:
    credit = [None if t % 2 else t / 4 for t in range(len(episode))]
    with tempfile.TemporaryDirectory() as folder:
        text, page = report(Path(folder), [episode], credits={"mc": [[math.nan if c is None else c for c in credit]]})
    *blocks, _ = page.texts["script"]
    assert all(text.isascii() and not set(text) & set("<>&") for text in blocks)
    assert len(re.findall("(?i)<script|</script|<!--", text)) == 2 * 5  # four blocks and the one script
    leaf, overview = block(page, "steps-0"), block(page, "overview")
    assert [leaf["texts"][n] for n in leaf["actions"]] == [printable(action) for action in episode.actions]
    assert overview["texts"][overview["episodes"]["goal"][0]] == printable(episode.goal)
    assert overview["credits"] == [credit]


def test_the_policy_allows_this_style_and_this_script_and_nothing_else(tmp_path: Path) -> None:
    text, page = report(tmp_path, [walk()])
    (policy,) = (a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert policy is not None
    assert policy.split("; ")[:3] == [
        "default-src 'none'",
        f"style-src {digest(page.texts['style'][0])}",
        f"script-src {digest(page.texts['script'][-1])}",
    ]
    assert not re.search(r"https?:|innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", text)
    assert not {"src", "href", "style"} & {name for _, attributes in page.elements for name in attributes}


def test_equal_arguments_give_equal_bytes_and_flat_credits_equal_rows(tmp_path: Path) -> None:
    played = [walk("a", steps=2), walk("b", steps=0), walk("c", steps=1)]
    rows, _ = report(tmp_path, played, credits={"mc": [(1.0, 2.0), (), (3.0,)]})
    flat, page = report(tmp_path, played, credits={"mc": np.array([1.0, 2.0, 3.0])})
    assert rows == flat
    assert block(page, "overview")["credits"] == [[1.0, 2.0, 3.0]]
    for wrong in (np.zeros(2), [(1.0, 2.0)], [(1.0,), (), (3.0,)]):
        with pytest.raises(BatchError, match="'mc'"):
            report(tmp_path, played, credits={"mc": wrong})
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(tmp_path / "report.html" / "x.html", title="", episodes=[], credits={})


def test_tables_say_the_same_in_every_format() -> None:
    assert to_markdown(TABLE) == (
        "**Success**\n\n| scorer | mean | n | note |\n| :--- | ---: | ---: | :--- |\n"
        "| outcome_only | 0.250 | 15 | a\\|b |\n| crbc | – | 3 | – |\n"
    )
    latex = to_latex(TABLE)
    assert r"\begin{tabular}{lrrl}" in latex
    assert "outcome\\_only & 0.250 & 15 & a\\textbar{}b \\\\\ncrbc & -- & 3 & -- \\\\" in latex
    assert Page(to_html(TABLE)).texts["td"] == ["outcome_only", "0.250", "15", "a|b", "crbc", "–", "3", "–"]
    words = [word for word in shown(TABLE).split() if "─" not in word]
    assert " ".join(words) == "Success scorer mean n note outcome_only 0.250 15 a|b crbc – 3 –"
    with pytest.raises(ValueError, match="has 1 values for 2 columns"):
        Table("t", ("a", "b"), (("x",),))


def test_hostile_cells_stay_text_in_every_format() -> None:
    table = Table("t", ("a",), tuple((text,) for text in HOSTILE))
    assert len(to_markdown(table).splitlines()) == 4 + len(HOSTILE)
    assert not re.search(r"(?<!\\)[<>\[\]*`]", to_markdown(table).partition("\n")[2])
    assert r"\textbackslash{}textbf\{x\} \& \$x\_1\$" in to_latex(table)
    assert "\x1b" not in shown(table)
    assert "[red]markup[/red]" in shown(table)
    assert not {tag for tag, _ in Page(to_html(table)).elements} & {"script", "img"}


def shown(table: Table) -> str:
    out = StringIO()
    Console(file=out, width=10_000).print(to_rich(table))
    return out.getvalue()


@pytest.mark.slow
def test_plots_are_reproducible_and_take_hostile_labels(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figures = {
        "credits.svg": lambda: plot_credits(walk(actions=HOSTILE[1:4]), {"a $x": [math.nan, 0.5, -2.0]}),
        "bars.pdf": lambda: plot_bars({"a $x": [0.1, 0.3], "b": [1.0]}, label="success"),
        "curves.png": lambda: plot_curves({"a": Curve([0, 1], [0.1, 0.2], [0.0, 0.1])}, x="iteration", y="success"),
    }
    for name, draw in figures.items():
        for folder in ("1", "2"):
            save(draw(), tmp_path / folder / name)
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    with pytest.raises(StoreError, match=r"give a \.png"):
        save(figures["bars.pdf"](), tmp_path / "bars.docx")
