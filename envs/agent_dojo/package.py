"""AgentDojo's own modules under a name of our own, without its model clients and without touching anybody's modules.

``agentdojo.task_suite`` imports ``agentdojo.agent_pipeline``, which imports the clients of five model servers. So its
modules are run here with an ``__import__`` of their own: what they import of ``agentdojo`` is loaded the same way from
the same folder, packages of clients are bare names, and of the client that a needed module asks for one constant there
is that constant. An ``agentdojo`` that somebody else imports is another one, and neither sees the other.

Two habits of the modules are kept from the rest of the process: they change how ``yaml`` writes, and tools ask
the clock. They get a ``yaml`` of their own, and a clock that stands still.
"""

from __future__ import annotations

import builtins
import datetime
import hashlib
import importlib.util
import os
import sys
from functools import lru_cache
from pathlib import Path
from threading import RLock
from types import ModuleType, SimpleNamespace
from typing import Any

import yaml

from credit_gym.errors import ManifestError, MissingExtraError

THEIRS = "agentdojo"
NOW = datetime.datetime(2024, 5, 15, 12)  # the day on which the published calendar is looked at
_BARE = ("agent_pipeline", "agent_pipeline.llms")
_CONSTANTS = {"agent_pipeline.llms.google_llm": {"EMPTY_FUNCTION_NAME": "<empty-function>"}}
_TIMED = ("default_suites.v1.tools.email_client", "default_suites.v1.tools.cloud_drive_client")
_DAMAGED = (  # what foreign modules raise where they are not what they were
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError),
    *(SyntaxError, TypeError, ValueError),
)
_LOADING = RLock()


class Package:
    """The modules of one folder.

    Args:
        folder: of the package, the one that has ``functions_runtime.py``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = f"_credit_gym_{THEIRS}_{hashlib.blake2b(os.fsencode(folder), digest_size=6).hexdigest()}"
        self._yaml = _yaml_of_its_own()
        self._builtins = {**vars(builtins), "__import__": self._import}

    def module(self, name: str) -> ModuleType:
        """Return a module by its name within the package, empty for the package itself.

        Raises:
            ManifestError: the folder has no such module.
        """
        known = f"{self._root}.{name}" if name else self._root
        with _LOADING:
            if name and known not in sys.modules:
                self.module(name.rpartition(".")[0])  # which may load the module itself
            found = sys.modules.get(known)
            return self._load(name, known) if found is None else found

    def _load(self, name: str, known: str) -> ModuleType:
        place = self.folder.joinpath(*name.split(".")) if name else self.folder
        bare = name in _BARE or (place.is_dir() and not (place / "__init__.py").is_file())
        if not name or bare or name in _CONSTANTS:
            module = ModuleType(known)
            module.__dict__.update(__path__=[str(place)], **_CONSTANTS.get(name, {}))
            sys.modules[known] = module
        else:
            module = self._run(name, known, place)
        if name:
            above, _, child = known.rpartition(".")
            setattr(sys.modules[above], child, module)
        return module

    def _run(self, name: str, known: str, place: Path) -> ModuleType:
        package = place.is_dir()
        file = place / "__init__.py" if package else place.with_suffix(".py")
        spec = importlib.util.spec_from_file_location(
            known, file, submodule_search_locations=[str(place)] if package else None
        )
        if spec is None or spec.loader is None or not file.is_file():
            raise ManifestError(f"{self.folder} has no {name}: give the folder of an unpacked wheel of agentdojo.")
        module = importlib.util.module_from_spec(spec)
        module.__dict__["__builtins__"] = self._builtins
        sys.modules[known] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[known]
            raise
        if name in _TIMED:
            module.__dict__["datetime"] = _stopped_clock()
        return module

    def _import(
        self, name: str, names: Any = None, locals_: Any = None, wanted: Any = (), level: int = 0
    ) -> ModuleType:
        """What an import statement in one of the modules does."""
        if name == "yaml":
            return self._yaml
        if level or name.partition(".")[0] != THEIRS:
            return builtins.__import__(name, names, locals_, wanted, level)
        module = self.module(name.partition(".")[2])
        for each in wanted or ():
            if not hasattr(module, each):
                self.module(f"{name}.{each}".partition(".")[2])
        return module if wanted else self.module("")


@lru_cache(4)
def open_package(data: str | None) -> Package:
    """Return the package in a folder, or the installed one.

    Args:
        data: the folder of an unpacked wheel, or of the package in it; None for the installed package.

    Raises:
        ManifestError: the folder holds no AgentDojo, or a damaged one.
        MissingExtraError: AgentDojo is not installed, or a package that its suites need.
    """
    folder = _installed() if data is None else Path(data)
    places = [place for place in (folder, folder / THEIRS, folder / "src" / THEIRS) if _is_package(place)]
    if not places:
        raise ManifestError(f"{folder} holds no AgentDojo: unpack the wheel of agentdojo there.")
    package = Package(places[0].resolve())
    try:
        package.module("task_suite.load_suites")
        package.module("attacks")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'AgentDojo\'s suites need {error.name}: run pip install "credit-gym[agentdojo]".'
        ) from error
    except ManifestError:
        raise
    except _DAMAGED as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ManifestError(
            f"{folder} holds an AgentDojo that does not load ({said}): unpack the wheel of agentdojo there again."
        ) from error
    return package


def _is_package(folder: Path) -> bool:
    return (folder / "functions_runtime.py").is_file() and (folder / "data" / "suites").is_dir()


def _installed() -> Path:
    found = importlib.util.find_spec(THEIRS)
    for place in [] if found is None else list(found.submodule_search_locations or ()):
        if _is_package(Path(place)):
            return Path(place)
    raise MissingExtraError(
        'The published suites are AgentDojo\'s: run pip install "credit-gym[agentdojo]" and then pip install --no-deps '
        "agentdojo, or set AGENTDOJO_DIR to a folder with its unpacked wheel, or play the embedded ones."
    )


def _yaml_of_its_own() -> ModuleType:
    """A copy of yaml: what is changed in it is changed in it alone. It reads by libyaml where that is there."""

    class Dumper(yaml.Dumper):
        """Writes as the package wants it."""

    class SafeDumper(yaml.SafeDumper):
        """The same, of plain data."""

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    own = ModuleType("yaml")
    own.__dict__.update({name: value for name, value in vars(yaml).items() if not name.startswith("__")})
    own.__dict__.update(
        Dumper=Dumper,
        SafeDumper=SafeDumper,
        add_representer=lambda kind, writer: Dumper.add_representer(kind, writer),
        dump=lambda data, stream=None, **options: yaml.dump(data, stream, Dumper=Dumper, **options),
        safe_dump=lambda data, stream=None, **options: yaml.dump(data, stream, Dumper=SafeDumper, **options),
        safe_load=lambda stream: yaml.load(stream, Loader=loader),
    )
    return own


def _stopped_clock() -> SimpleNamespace:
    """The module datetime, with a clock that always shows the same time."""
    clock = SimpleNamespace(**{name: getattr(datetime.datetime, name) for name in ("fromisoformat", "strptime")})
    clock.now = lambda zone=None: NOW
    return SimpleNamespace(datetime=clock, timedelta=datetime.timedelta, date=datetime.date)
