"""The pages of the manual that are made from the registries: one an environment, one a scorer, one a room's API."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from error_messages import errors_page
from gymnasium.envs.registration import load_env_creator
from measured_rows import SLOWER, less_faithful, readings, shown, slower, unsolved

import credit_gym  # noqa: F401  registers the environments
from credit_gym.data.action_format import describe
from credit_gym.data.declarations import declaration
from credit_gym.registration import ENVIRONMENTS, EnvironmentSpec
from credit_gym.scorers import ScorerSpec, get, names
from credit_gym.scorers.families import by_family, family_of

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
    yield "glossary.md", glossary_page()
    yield "scorers/index.md", scorers_index()
    for folder, pages in (
        ("environments", [slug(spec.id) for spec in ENVIRONMENTS]),
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
            *(f"- {about}: {rule}" for about, rule in declared.rules.items()),
            f"- Verifier declared exact, the change of an exact potential: {_yes(declared.exact_verifier)}.",
            f"- Exact oracle of all values: {_yes(spec.controlled)}.",
            f"- Forks, by `clone_state` and `restore_state`: {_yes(declared.forkable)}.",
            f"- More: [{declared.page}](/{declared.page}.md).\n" if declared.page else "",
            f"## An action\n\n{form.kind.replace('_', ' ').capitalize()}. {described}\n\n```text\n{examples}\n```\n",
            "## `info`\n",
            _table(("key", "what it says"), ((f"`{key}`", meaning) for key, meaning in declared.info_keys.items())),
            "## Arguments\n" if arguments else "",
            _table(("argument", "default"), arguments) if arguments else "",
            f"## In its own words\n\n{_rst(f'{directive} {_target(creator)}', *_told_elsewhere(creator))}",
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
            f"- Family: {family_of(spec)}.",
            f"- Source: {spec.reference or 'the project'}.",
            "- A tabular stand-in of a method that was published with a learned model: tables call it "
            f"`{spec.label}`.\n"
            if spec.stand_in
            else "",
            _table(("option", "takes", "default"), options) if options else "",
            _rst(f".. autofunction:: {_target(spec.function)}"),
            f"## When it fails\n\n{_failures(spec)}\n",
            f"## Measured\n\n{_measured(spec)}\n",
        )
    )


def scorers_index() -> str:
    """Return the list of scorers, a section a family."""
    parts = ["# Scorers, one by one\n\nWhat each family reads, and which to take: [scorers](/scorers.md).\n"]
    for family, specs in by_family(map(get, names())).items():
        listed = "\n".join(spec.name for spec in specs)
        parts.append(f"## {family[0].upper()}{family[1:]}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n")
    return "\n".join(parts)


def glossary_page() -> str:
    """Return the words of the house, from where the code's readers have them."""
    text = (GENERATED.parents[1] / "ARCHITECTURE.md").read_text("utf-8")
    return f"# Glossary\n{text.split('## Glossary')[1].split(chr(10) + '## ')[0]}"


def _failures(spec: ScorerSpec) -> str:
    """What its docstring says, in paragraphs that begin with "Fails", and where the bench says so."""
    paragraphs = (inspect.getdoc(spec.function) or "").split("\n\n")
    said = [" ".join(text.split()).replace("``", "`") for text in paragraphs if text.startswith("Fails ")]
    if suites := ", ".join(f"{suite} ({success:.2f})" for suite, success in unsolved(spec.name)):
        said.append(
            "A greedy table of its credits solves less than half of what one of the exact advantage solves on "
            f"[these suites](/generated/environments/Diagnostic-v0.md) of [CreditBench](/creditbench.md): {suites}."
        )
    if points := ", ".join(f"{point} ({ratio:.2f})" for point, ratio in slower(spec.name)):
        said.append(
            "On the [map of regimes](/regimes.md), where who does not get there in 40 updates counts as 80, it needs "
            f"{SLOWER} times as many episodes as `grpo` or more at: {points}."
        )
    if below := less_faithful(spec.name):
        said.append(
            f"On [replay trees](/creditbench.md) its rank correlation with the exact advantage, {below[0]}, lies below "
            f"that of `grpo` on flat episodes at about the same cost, {below[1]}."
        )
    return "\n\n".join(said) or "No measurement here says where."


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table whose cells are Markdown already."""
    lines = (head, tuple("---" for _ in head), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines) + "\n"


def _measured(spec: ScorerSpec) -> str:
    variants = tuple(re.findall(r"'(\S+?)'", spec.options["by"].takes)) if "by" in spec.options else ()
    rows = tuple(shown(readings(spec.name, variants)))
    if not rows:
        return "[CreditBench](/creditbench.md) has no row of it: what it reads, no tabular episode holds."
    table = _table(("asked as", "what", "value, 95 % interval", "rank"), rows)
    return f"{table}\nAll rows and columns: [CreditBench](/creditbench.md). The exact advantage has a row there too.\n"


def examples_page() -> str:
    """Return the scripts of ``examples/``, each whole."""
    scripts = sorted((GENERATED.parents[1] / "examples").glob("*.py"))
    shown = (
        f"## `{path.name}`\n\n```{{literalinclude}} /../examples/{path.name}\n:language: python\n```\n"
        for path in scripts
    )
    return "\n".join(("# Examples\n", *shown))


def _told_elsewhere(creator: Any) -> Iterator[str]:
    """Directives for what the docstring of a function that makes an environment sends its reader to, and so on."""
    doc = "" if inspect.isclass(creator) else creator.__doc__ or ""
    for kind, name in re.findall(r":(func|mod):`~?(credit_gym[\w.]+)`", doc):
        if kind == "mod":
            yield from ("", f".. automodule:: {name}", "   :members:")
        else:
            room, _, function = name.rpartition(".")
            yield from ("", f".. autofunction:: {name}")
            yield from _told_elsewhere(getattr(import_module(room), function))


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
    title = {"environments": "Environments", "api": "API"}[folder]
    listed = "\n".join(pages)
    return f"# {title}, one by one\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
