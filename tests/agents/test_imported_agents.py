"""Agents of other people, by the module that they live in or the entry point that a package names."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from builders.corridor import Corridor

from credit_gym.agents import imported
from credit_gym.agents.llm.backends import Settings
from credit_gym.agents.llm.prompting import PROMPTINGS
from credit_gym.agents.rollout.runner import run_episodes
from credit_gym.agents.spec import is_code, parse_agent, takes_settings
from credit_gym.errors import CreditGymError, UnknownNameError

SOURCE = """
class Last:
    name = "last"
    def __init__(self, seed=0):
        self.seed = seed
    def act(self, contexts):
        return [context.admissible_actions[-1] for context in contexts]

class Patient:
    name = "patient"
    async def act_async(self, context):
        return context.admissible_actions[0]
    async def close(self):
        pass

class Needy:
    def __init__(self, weights):
        pass

class Holder:
    made = Last(7)

class Mute:
    pass

def first(messages):
    return "forward" if messages[-1]["role"] == "user" else "back"

async def awaited(messages):
    return first(messages)

def wordless(messages):
    return 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"agents_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    return name


@pytest.mark.parametrize("attribute", ["Last", "Patient", "Holder.made", "first", "awaited"])
def test_whatever_a_module_holds_plays(module: str, attribute: str) -> None:
    episodes = run_episodes(Corridor, parse_agent(f"{module}:{attribute}"), episodes=3, seed=0, progress=False)
    assert [episode.error for episode in episodes] == [None] * 3


def test_a_class_gets_the_seed_where_it_takes_one(module: str) -> None:
    assert parse_agent(f"{module}:Last", seed=5).seed == 5  # type: ignore[attr-defined]
    assert parse_agent(f"{module}:Holder.made", seed=5).seed == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize("attribute", ["first", "awaited"])
def test_a_function_is_asked_like_a_language_model(module: str, attribute: str) -> None:
    spec = f"{module}:{attribute}"
    assert takes_settings(spec)
    assert not takes_settings(f"{module}:Last")
    agent = parse_agent(spec, settings=Settings(prompting=PROMPTINGS["react"]))
    (episode,) = run_episodes(Corridor, agent, episodes=1, seed=0, progress=False)
    assert (agent.name, episode.agent_id) == (spec, spec)
    assert set(episode.actions) == {"forward"}
    assert episode.messages is not None
    assert "Thought" in episode.messages[0][0]["content"]


@pytest.mark.parametrize(
    ("attribute", "error", "sentence"),
    [
        ("Lost", UnknownNameError, "has no Lost: name a class or a function"),
        ("Needy", CreditGymError, "cannot be made with nothing but a seed"),
        ("Mute", CreditGymError, "is no agent: give it a name and act"),
        ("Holder.made.seed", CreditGymError, "is no agent"),
    ],
)
def test_what_is_no_agent_is_refused_with_what_to_do(
    module: str, attribute: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        parse_agent(f"{module}:{attribute}")


def test_an_answer_that_is_no_text_is_the_error_of_its_episode(module: str) -> None:
    (episode,) = run_episodes(Corridor, parse_agent(f"{module}:wordless"), episodes=1, seed=0, progress=False)
    assert episode.error == f"BackendError: {module}:wordless answered int: it must return text."


def test_a_module_that_breaks_says_why_and_one_that_is_missing_is_an_unknown_agent(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}_broken.py").write_text("1 / 0")
    (tmp_path / f"{module}_lacking.py").write_text("import no_such_package_at_all")
    with pytest.raises(CreditGymError, match="ZeroDivisionError"):
        parse_agent(f"{module}_broken:Agent")
    with pytest.raises(CreditGymError, match="No module named 'no_such_package_at_all'"):
        parse_agent(f"{module}_lacking:Agent")
    with pytest.raises(UnknownNameError, match="There is no agent called 'nowhere_to_be_found'"):
        parse_agent("nowhere_to_be_found:Agent")
    with pytest.raises(UnknownNameError, match="did you mean noisy"):
        parse_agent("noisi:0.3")


def test_an_entry_point_of_a_package_is_a_name(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{module}:Last", imported.GROUP)
    monkeypatch.setattr(imported, "plugins", lambda: {"mine": point})
    monkeypatch.setattr("sys.path", [str(Path.cwd()), *__import__("sys").path])
    assert parse_agent("mine", seed=2).seed == 2  # type: ignore[attr-defined]


def test_whether_a_name_is_code_is_known_without_running_any() -> None:
    assert is_code("nowhere_to_be_found:Agent")
    assert not any(map(is_code, ("random", "noisy:0.3", "hf:folder", "openai:m@http://x/v1", "table:t.json", "human")))
