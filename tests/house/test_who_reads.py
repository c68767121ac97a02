"""What is foreign is read by the one reader of foreign text: whoever reads otherwise stands in a list, with the reason.

A file that is opened may be a pipe; a text may be deep, long or a bomb; a pickle is a program. So files, JSON, YAML and
TOML are read by ``credit_gym.data.foreign_text``, models by ``credit_gym.agents.llm.pretrained``, and nothing else
turns bytes into values or into code.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from builders import ROOT
from test_house import FILES

OWN = "reads what ships with the package"
FENCED = "runs inside the sandbox, on the standard library alone and under its limits"
GRAMMAR = "makes a tree of a bounded text and walks it; nothing is evaluated"
NAMED = "loads what somebody names on the command line or installs, by its module's name"
PIECES = "takes values one after another out of a longer text, with the one reader's bounds on digits and depth"

READERS: dict[str, tuple[str, ...]] = {  # kind -> names of what reads; a dot at the end takes a whole module
    "JSON": ("json.load", "json.loads", "json.JSONDecoder", "json.decoder.", "orjson.", "ujson.", "simplejson."),
    "YAML": ("yaml.", "ruamel."),
    "TOML": ("tomllib.", "tomli.", "toml."),
    "XML": ("xml.", "lxml.", "html.parser.", "plistlib.", "defusedxml."),
    "pickles": ("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.", "dill.",
                "cloudpickle.", "joblib.", "jsonpickle.", "torch.load", "torch.jit.load", "torch.hub.",
                "pandas.read_pickle"),
    "arrays": ("numpy.load", "numpy.fromfile", "numpy.memmap", "numpy.loadtxt", "numpy.genfromtxt"),
    "tables": ("pyarrow.parquet.read_table", "pyarrow.parquet.ParquetFile", "pandas.read_csv", "pandas.read_parquet",
               "datasets.load_dataset", "datasets.load_from_disk", "csv.reader", "csv.DictReader"),
    "archives": ("zipfile.", "tarfile.", "shutil.unpack_archive", "gzip.", "bz2.", "lzma.", "zlib.decompress"),
    "databases": ("sqlite3.connect", ".enable_load_extension", ".load_extension"),
    "code": ("builtins.eval", "builtins.exec", "builtins.compile", "code.", "codeop.", "runpy.", "types.FunctionType"),
    "trees of code": ("ast.parse", "ast.literal_eval"),
    "modules": ("builtins.__import__", "importlib.import_module", "importlib.util.spec_from_file_location", "imp."),
    "processes": ("subprocess.", "os.system", "os.popen", "os.execv", "os.execve", "os.execvp", "os.spawnv", "pty."),
    "models": (".from_pretrained", "transformers.pipeline", "jinja2."),
    "files": ("builtins.open", ".read_text", ".read_bytes", ".open", "os.open", "os.fdopen", "io.open", "codecs.open"),
}  # fmt: skip
HARMLESS = {
    "yaml.safe_dump", "yaml.YAMLError", "zipfile.BadZipFile", "lzma.LZMAError",
    "subprocess.PIPE", "subprocess.DEVNULL", "subprocess.TimeoutExpired",
}  # fmt: skip
ITS_OWN = ("credit_gym.baselines.stress", "credit_gym.baselines.speed")  # what these read they have just made
EXCEPTIONS: dict[str, dict[str, str]] = {
    "JSON": {
        "credit_gym.data.foreign_text": "is the one reader",
        "credit_gym.data.call_dialects": PIECES,
        "credit_gym.data.tagged_calls": PIECES,
        "credit_gym.envs.tau2.episodes": PIECES,
        "credit_gym.envs.webshop.streaming": PIECES,
        "credit_gym.agents.llm.prices": OWN,
        "credit_gym.credit.regime_map": OWN,
        "credit_gym.envs.alfworld.rooms": OWN,
        "credit_gym.envs.alfworld.tables": OWN,
        "credit_gym.envs.tabular.manifest": OWN,
        "credit_gym.envs.webshop.generate": OWN,
        "credit_gym.envs.team.sandbox": "hears the supervisor, which runs no code of a program",
        "credit_gym.envs.team.sandbox_child": "reads its own options",
        "credit_gym.envs.team.sandbox_wire": FENCED,
        "credit_gym.envs.team.grade_math": "hears its own worker",
        "credit_gym.envs.team.math_worker": "hears its owner",
    },
    "YAML": {
        "credit_gym.data.foreign_text": "is the one reader",
        "credit_gym.envs.agent_dojo.package": "gives AgentDojo's code a safe yaml of its own",
        "credit_gym.envs.information.world": OWN,
    },
    "TOML": {"credit_gym.data.foreign_text": "is the one reader"},
    "pickles": {
        "credit_gym.baselines.studies.delta_belief.guessing_training": "goes on with its own run, weights_only",
    },
    "arrays": {
        "credit_gym.agents.likelihood.score_cache": "reads its own cache, without pickles",
        "credit_gym.envs.webshop.search": "reads its own index by digest, without pickles",
    },
    "tables": {
        "credit_gym.formats.datasets": "reads what it has just written",
        "credit_gym.formats.parquet": "is the reader of this project's own tables, once it has seen a regular file",
    },
    "archives": {
        "credit_gym.envs.alfworld.layout": "unpacks what it has packed itself, in memory",
        "credit_gym.formats.json_records": "unpacks files of episodes as a stream, up to the largest file",
        "credit_gym.formats.zip_members": "is the one reader of archives: a member at a time, bounded and in memory",
    },
    "databases": {
        "credit_gym.store.database": "is the one reader of stores: tables alone, no extension is loaded",
        "credit_gym.store.sole_use": "locks an empty file",
    },
    "code": {"credit_gym.envs.team.sandbox_call": FENCED},
    "trees of code": {
        "credit_gym.data.python_calls": GRAMMAR,
        "credit_gym.envs.alfworld.grammar": GRAMMAR,
        "credit_gym.envs.function_calls.gold": GRAMMAR,
        "credit_gym.envs.tau2.actions": GRAMMAR,
        "credit_gym.envs.tau2.arithmetic": GRAMMAR,
        "credit_gym.envs.team.sources": GRAMMAR,
    },
    "modules": {
        "credit_gym": "loads its own rooms when they are first used",
        "credit_gym.cli": "loads its own commands",
        "credit_gym.data.key_functions": NAMED,
        "credit_gym.agents.imported": NAMED,
        "credit_gym.cli.lists": NAMED,
        "credit_gym.agents.rollout.run_log": "loads wandb or tensorboard",
        "credit_gym.envs.agent_dojo.package": "loads AgentDojo's suites without its model clients",
        "credit_gym.envs.alfworld.grammar": "loads TextWorld",
        "credit_gym.envs.alfworld.handcoded": "loads ALFWorld",
        "credit_gym.envs.alfworld.textworld_engine": "loads TextWorld",
        "credit_gym.envs.function_calls.published": "loads BFCL's back ends from the folder that was named",
        "credit_gym.envs.tau2.checkout": "loads tau2",
        "credit_gym.envs.webshop.nouns": "loads spaCy",
        "credit_gym.envs.team.sandbox_call": FENCED,
        "credit_gym.envs.team.sandbox_child": FENCED,
        "credit_gym.envs.team.sandbox_values": FENCED,
    },
    "processes": {
        "credit_gym.envs.team.sandbox": "starts its supervisor, by a list of arguments of its own",
        "credit_gym.envs.team.grade_math": "starts its worker, by a list of arguments of its own",
        "credit_gym.baselines.claims.making": "starts the project's own baselines, by a list of arguments",
    },
    "models": {
        "credit_gym.agents.llm.pretrained": "is the one reader of models",
        "credit_gym.agents.llm.bounded_template": "renders chat templates in Jinja's sandbox, at a bounded cost",
        "credit_gym.baselines.studies.delta_belief.guessing_model": "reads the study's own models",
        "credit_gym.baselines.studies.delta_belief.guessing_training": "reads the study's own models",
        "credit_gym.baselines.studies.headline.player": "reads the study's own models",
    },
    "files": {
        "credit_gym.data.foreign_text": "is the one reader",
        "credit_gym.agents.llm.prices": OWN,
        "credit_gym.baselines.protocol.sweep": OWN,
        "credit_gym.credit.regime_map": OWN,
        "credit_gym.report.viewer.script_modules": OWN,
        "credit_gym.envs.alfworld.rooms": OWN,
        "credit_gym.envs.alfworld.tables": OWN,
        "credit_gym.envs.information.world": OWN,
        "credit_gym.envs.tabular.manifest": OWN,
        "credit_gym.envs.webshop.generate": OWN,
        "credit_gym.envs.alfworld.published": "reads two files of an installed package",
        "credit_gym.store.blobs": "syncs a folder",
        "credit_gym.formats.zip_members": "opens members of an archive that the one reader opened",
        "credit_gym.envs.team.sandbox_child": FENCED,
        "credit_gym.envs.team.sandbox_fence": FENCED,
    },
}


@pytest.mark.parametrize("kind", READERS)
def test_nobody_reads_what_is_foreign_in_a_way_of_his_own(kind: str) -> None:
    used = {
        module: found
        for module, path in FILES.items()
        if not module.startswith(ITS_OWN)
        and (found := [f"{path.relative_to(ROOT)}:{line} {name}" for line, name in readers(path, kind)])
    }
    known = EXCEPTIONS.get(kind, {})
    assert not {module: found for module, found in used.items() if module not in known}
    assert not known.keys() - used.keys(), "an exception that nothing needs any more"


def test_nothing_foreign_is_trusted_by_an_argument() -> None:
    trusting = {("shell", True), ("trust_remote_code", True), ("allow_pickle", True), ("weights_only", False)}
    found = [
        f"{path.relative_to(ROOT)}:{node.value.lineno} {node.arg}"
        for path in FILES.values()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.keyword)
        and isinstance(node.value, ast.Constant)
        and (node.arg, node.value.value) in trusting
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import json\njson.loads('1')", "JSON"),
        ("from json import loads as read\nread('1')", "JSON"),
        ("import json as j\nkeep = j.load", "JSON"),
        ("import yaml\nyaml.unsafe_load('1')", "YAML"),
        ("def f():\n    from yaml import safe_load\n    return safe_load", "YAML"),
        ("import numpy as np\nnp.load('a')", "arrays"),
        ("import pickle\npickle.Unpickler", "pickles"),
        ("import torch\ntorch.load('a')", "pickles"),
        ("import xml.etree.ElementTree as tree\ntree.parse('a')", "XML"),
        ("eval('1')", "code"),
        ("from pathlib import Path\nPath('a').read_text()", "files"),
        ("open('a')", "files"),
        ("open('a', mode='rb')", "files"),
        ("from pathlib import Path\nPath('a').open('r+')", "files"),
        ("AutoModel.from_pretrained('a')", "models"),
        ("__import__('os')", "modules"),
        ("import gzip\nkeep = gzip.open", "archives"),
        ("from zipfile import ZipFile\nZipFile('a').extractall()", "archives"),
    ],
)
def test_a_reader_is_seen_however_it_is_imported(source: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text(source)
    assert list(readers(tmp_path / "file.py", kind))


@pytest.mark.parametrize(
    "source", ["import json\njson.dumps(1)", "open('a', 'w')", "p.open('ab')", "re.compile('a')", "import yaml"]
)
def test_what_writes_is_no_reader(source: str, tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text(source)
    assert not [found for kind in READERS for found in readers(tmp_path / "file.py", kind)]


def readers(path: Path, kind: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each reader of a kind that a file uses."""
    for line, name, reads in names(path):
        if any(matches(name, reader) for reader in READERS[kind]) and (reads or kind != "files"):
            yield line, name


@cache
def names(path: Path) -> tuple[tuple[int, str, bool], ...]:
    """Line and full name of what a file uses of others, and whether it reads, as far as its call says."""
    nodes = list(ast.walk(tree_of(path)))
    bound = bindings(nodes)
    calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    found = ((node, dotted(node, bound)) for node in nodes if isinstance(node, (ast.Name, ast.Attribute)))
    return tuple(
        (node.lineno, name, not name.endswith("open") or opens_to_read(name, calls.get(id(node))))
        for node, name in found
        if name and name not in HARMLESS and not name.startswith("credit_gym.")
    )


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def bindings(nodes: list[ast.AST]) -> dict[str, str]:
    """What each imported name stands for, wherever in the file it is imported; builtins stand for themselves."""
    found = {name: f"builtins.{name}" for name in dir(builtins)}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                found |= {alias.asname: alias.name} if alias.asname else {first: first}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def dotted(node: ast.expr, bound: dict[str, str]) -> str:
    """The full name of what a name or an attribute is; of an attribute of anything else, what follows the dot."""
    if isinstance(node, ast.Name):
        return bound.get(node.id, "")
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, bound)}.{node.attr}"
    return ""


def matches(name: str, reader: str) -> bool:
    if reader.startswith("."):
        return name.endswith(reader)
    return name.startswith(reader) if reader.endswith(".") else name == reader


def opens_to_read(name: str, call: ast.Call | None) -> bool:
    """Whether ``open``, of whatever kind, is called in a mode that reads; what merely bears the name is none."""
    if call is None:
        return False
    given = call.args[0 if name.startswith(".") else 1 :][:1]
    given += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    modes = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return not any(mode[:1] in ("w", "a", "x") and "+" not in mode for mode in modes)
