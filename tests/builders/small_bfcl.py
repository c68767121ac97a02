"""A folder in the shape of an unpacked bfcl-eval: three small back ends of our own, and a task of each category."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SHARED = 'EXTRA = ["dust.txt"]\n'
FILES = """
from bfcl_eval.eval_checker.multi_turn_eval.func_source_code.long_context import EXTRA


class Directory:
    def __init__(self, name, parent=None):
        self.name, self.parent, self.contents = name, parent, {}

    def __eq__(self, other):
        return isinstance(other, Directory) and self.name == other.name and self.contents == other.contents


class GorillaFileSystem:
    def __init__(self):
        self._api_description = "files"

    def _load_scenario(self, scenario, long_context=False):
        self.root = Directory("root")
        self.root.contents = {**scenario.get("files", {}), **(dict.fromkeys(EXTRA, "") if long_context else {})}
        self._here = self.root

    def ls(self):
        return {"names": list(self._here.contents)}

    def cd(self, folder: str):
        self._here = self._here.parent if folder == ".." else self._here.contents[folder]
        return {}

    def mkdir(self, dir_name: str):
        self._here.contents[dir_name] = Directory(dir_name, self._here)

    def echo(self, content: str, file_name: str):
        self._here.contents[file_name] = content

    def cat(self, file_name: str):
        if file_name not in self._here.contents:
            return {"error": f"no {file_name}"}
        return {"content": self._here.contents[file_name]}

    def cp(self, source: str, destination: str):
        self._here.contents[destination].contents[source] = self._here.contents[source]
"""
POSTS = """
class TwitterAPI:
    def _load_scenario(self, scenario, long_context=False):
        self.posts = scenario.get("posts", [])

    def post(self, text: str, tags: list):
        self.posts.append({"text": text, "tags": tags})
        return self.posts[-1]

    def tag(self, number: int, tag: str):
        self.posts[number]["tags"].append(tag)
        return {"tags": len(self.posts[number]["tags"])}
"""
SUMS = """
import decimal
import mpmath


class MathAPI:
    def power(self, base: float, exponent: float):
        return {"result": base**exponent}

    def round_number(self, number: float, decimal_places: int = 0):
        return {"result": round(number, decimal_places)}

    def square_root(self, number: float, precision: int):
        decimal.getcontext().prec = precision
        mpmath.mp.dps = precision
        return {"result": decimal.Decimal(number).sqrt()}
"""
CODE = {"gorilla_file_system": FILES, "posting_api": POSTS, "math_api": SUMS, "long_context": SHARED}
TOOLS: dict[str, dict[str, dict[str, str]]] = {
    "gorilla_file_system": {
        "ls": {},
        "cd": {"folder": "string"},
        "mkdir": {"dir_name": "string"},
        "echo": {"content": "string", "file_name": "string"},
        "cat": {"file_name": "string"},
        "cp": {"source": "string", "destination": "string"},
    },
    "posting_api": {"post": {"text": "string", "tags": "array"}, "tag": {"number": "integer", "tag": "string"}},
    "math_api": {
        "power": {"base": "float", "exponent": "float"},
        "round_number": {"number": "float", "decimal_places": "integer"},
        "square_root": {"number": "float", "precision": "integer"},
    },
}
CONFIG = {"GorillaFileSystem": {"files": {"a.txt": "one"}}, "TwitterAPI": {"posts": []}}
CLASSES = ["GorillaFileSystem", "TwitterAPI", "MathAPI"]
MAKE = ["mkdir('new')", "cd(folder='new')", "echo(content='two', file_name='b.txt')"]
POST = ["post('hello', tags=['x'])", "tag(0, tag='y')"]
LOOK = ["cd(folder='..')", "cat('a.txt')"]
TASKS: dict[str, tuple[list[str | None], list[list[str]], dict[str, list[str]]]] = {
    "base": (["make a folder", "post it", "what is in a.txt?"], [MAKE, POST, LOOK], {}),
    "long_context": (["make a folder", "what is there?"], [MAKE, ["ls()", "power(2, exponent=3)"]], {}),
    "miss_func": (["make a folder", "post it", None], [MAKE, [], POST], {"2": ["post", "tag"]}),
    "miss_param": (["make a folder", "show me the file", "it is a.txt"], [MAKE, [], LOOK], {}),
}


def small_bfcl(folder: Path) -> Path:
    """Write the folder, and return what BFCL_DIR names."""
    inside = folder / "bfcl_eval"
    code = inside / "eval_checker" / "multi_turn_eval" / "func_source_code"
    data = inside / "data"
    for place in (code, data / "possible_answer", data / "multi_turn_func_doc"):
        place.mkdir(parents=True)
    for name, text in CODE.items():
        (code / f"{name}.py").write_text(text)
    for name, tools in TOOLS.items():
        write_rows(data / "multi_turn_func_doc" / f"{name}.json", [document(*tool) for tool in tools.items()])
    for category, (said, gold, missed) in TASKS.items():
        task = {
            "id": f"multi_turn_{category}_0",
            "question": [[] if text is None else [{"role": "user", "content": text}] for text in said],
            "initial_config": CONFIG,
            "involved_classes": CLASSES,
            **({"missed_function": missed} if missed else {}),
        }
        name = f"BFCL_v4_multi_turn_{category}.json"
        write_rows(data / name, [task])
        write_rows(data / "possible_answer" / name, [{"id": task["id"], "ground_truth": gold}])
    return folder


def document(name: str, arguments: Mapping[str, str]) -> dict[str, Any]:
    properties = {each: {"type": kind, "description": each} for each, kind in arguments.items()}
    parameters = {"type": "dict", "properties": properties, "required": list(arguments)}
    return {"name": name, "description": f"Tools for this. Tool description: {name} it.", "parameters": parameters}


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
