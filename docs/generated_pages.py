"""The pages of the manual that are made from the registries: one an environment, one a scorer, one a room's API."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from error_messages import errors_page
from gymnasium.envs.registration import load_env_creator

import credit_gym  # noqa: F401  registers the environments
from credit_gym.data.action_format import describe
from credit_gym.data.declarations import declaration
from credit_gym.registration import ENVIRONMENTS, EnvironmentSpec
from credit_gym.report import Table, to_markdown
from credit_gym.scorers import get, names

if TYPE_CHECKING:
    from sphinx.application import Sphinx

GENERATED = Path(__file__).parent / "generated"
ROOMS = (
    "credit_gym",
    "credit_gym.data.batch",
    "credit_gym.data.episode",
    "credit_gym.scorers",
    "credit_gym.exact",
    "credit_gym.metrics",
    "credit_gym.store",
    "credit_gym.wrappers",
    "credit_gym.agents",
    "credit_gym.agents.rollout",
    "credit_gym.agents.llm",
    "credit_gym.agents.replay",
    "credit_gym.report",
    "credit_gym.testing",
)
"""Whose exports are the API."""

HANDING_ON = ("credit_gym", "credit_gym.agents")
"""Those that export what lies in others."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before any is read."""
    app.connect("builder-inited", lambda _: write_pages(GENERATED))
    app.connect("source-read", _link_within)
    return {"parallel_read_safe": True}


def _link_within(_: Sphinx, __: str, source: list[str]) -> None:
    """Links to what lies beside ``docs/`` lead to the page that shows it here."""
    for name, page in (
        ("../CONTRIBUTING.md", "CONTRIBUTING"),
        ("../SECURITY.md", "SECURITY"),
        ("../examples", "examples"),
    ):
        source[0] = source[0].replace(f"]({name})", f"](/generated/project/{page}.md)")


def write_pages(folder: Path) -> None:
    """Write all pages anew, leaving those as they are that have not changed."""
    pages = dict(_pages())
    for path in folder.rglob("*.md"):
        if str(path.relative_to(folder)) not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)


def _pages() -> Iterator[tuple[str, str]]:
    for spec in ENVIRONMENTS:
        yield f"environments/{slug(spec.id)}.md", environment_page(spec)
    for name in names():
        yield f"scorers/{name}.md", scorer_page(name)
    for room in ROOMS:
        yield f"api/{room}.md", f"# `{room}`\n\n{_rst(f'.. automodule:: {room}', *_members(room))}"
    for name in ("ARCHITECTURE", "CONTRIBUTING", "SECURITY", "CHANGELOG"):
        text = (GENERATED.parents[1] / f"{name}.md").read_text("utf-8")
        yield f"project/{name}.md", text.replace("](docs/", "](/")
    yield "project/examples.md", examples_page()
    yield "errors.md", errors_page()
    for folder, pages in (
        ("environments", [slug(spec.id) for spec in ENVIRONMENTS]),
        ("scorers", list(names())),
        ("api", list(ROOMS)),
    ):
        yield f"{folder}/index.md", _index(folder, pages)


def slug(env_id: str) -> str:
    """Return the name of an environment's page."""
    return env_id.removeprefix("credit/")


def environment_page(spec: EnvironmentSpec) -> str:
    """Return the page of an environment: its docstring, action format and arguments, as they stand in the code."""
    entry_point = gym.spec(spec.id).entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    declared = declaration(spec.id)
    form = declared.action_format
    parameters = [p for p in inspect.signature(creator or dict).parameters.values() if p.kind is not p.VAR_KEYWORD]
    arguments = tuple((f"`{p.name}`", "required" if p.default is p.empty else f"`{p.default!r}`") for p in parameters)
    directive = ".. autoclass::" if inspect.isclass(creator) else ".. autofunction::"
    described = describe(form).split("For example:\n")[0].strip()
    examples = "\n\n".join(form.examples) or "(any text)"
    return "\n".join(
        (
            f"# `{spec.id}`\n\n{spec.summary[:1].upper()}{spec.summary[1:]}.\n",
            f"- Made by `gym.make({spec.id!r})` once `credit_gym` is imported"
            + ("; `gym.make_vec` has a native vector form." if spec.vector_entry_point else "."),
            f"- Reward: {declared.reward_rule}",
            f"- Verifier: {declared.verifier_rule}"
            + (" Declared exact: the change of an exact potential." if declared.exact_verifier else ""),
            f"- Exact oracle: {'yes' if spec.controlled else 'no'}.\n",
            f"## An action\n\n{form.kind.replace('_', ' ').capitalize()}. {described}\n\n```text\n{examples}\n```\n",
            "## `info`\n",
            to_markdown(
                Table("", ("key", "what it says"), tuple((f"`{k}`", v) for k, v in declared.info_keys.items()))
            ),
            "## Arguments\n" if arguments else "",
            to_markdown(Table("", ("argument", "default"), arguments)) if arguments else "",
            f"## In its own words\n\n{_rst(f'{directive} {_target(creator)}')}",
        )
    )


def scorer_page(name: str) -> str:
    """Return the page of a scorer: needs, scope, reference, options, and the docstring with its equation."""
    spec = get(name)
    needs = ", ".join(f"`{column}`" for column in sorted(spec.needs)) or "nothing beyond the episodes"
    options = tuple((f"`{each.name}`", each.takes, f"`{each.default}`") for each in spec.options.values())
    return "\n".join(
        (
            f"# `{name}`\n",
            f"- Needs: {needs}.",
            f"- Compared within: its {spec.scope}.",
            f"- Source: {spec.reference or 'the project'}.",
            "- A tabular stand-in of a method that was published with a learned model: tables call it "
            f"`{spec.label}`.\n"
            if spec.stand_in
            else "",
            to_markdown(Table("", ("option", "takes", "default"), options)) if options else "",
            _rst(f".. autofunction:: {_target(spec.function)}"),
        )
    )


def examples_page() -> str:
    """Return the scripts of ``examples/``, each whole."""
    scripts = sorted((GENERATED.parents[1] / "examples").glob("*.py"))
    shown = (
        f"## `{path.name}`\n\n```{{literalinclude}} /../examples/{path.name}\n:language: python\n```\n"
        for path in scripts
    )
    return "\n".join(("# Examples\n", *shown))


def _target(what: Any) -> str:
    return f"{what.__module__}.{what.__qualname__}"


def _members(room: str) -> tuple[str, ...]:
    """What a room exports; what it hands on from rooms below is described there."""
    if getattr(import_module(room), "__all__", None) is None:
        return ("   :members:",)
    return ("   :members:", "   :imported-members:", *(("   :no-index:",) if room in HANDING_ON else ()))


def _rst(*lines: str) -> str:
    return "\n".join(("```{eval-rst}", *lines, "```", ""))


def _index(folder: str, pages: list[str]) -> str:
    title = {"environments": "Environments", "scorers": "Scorers", "api": "API"}[folder]
    listed = "\n".join(pages)
    return f"# {title}, one by one\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
