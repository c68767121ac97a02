"""A folder that OpenEnv's tools know as an environment: what is served, written down, with a Dockerfile around it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from credit_gym.errors import CreditGymError

_APP = '''"""{name}, served to OpenEnv's clients."""

import os
from functools import partial

from credit_gym.cli.serve import application
from credit_gym.cli.stopping import stoppable
from credit_gym.wrappers.doors.listening import listen

GIVEN = dict(
{given}
)

app = application(token=os.environ.get("CREDIT_GYM_TOKEN"), **GIVEN)


def main() -> None:
    """Serve, inside a container, whose port is published or not from outside."""
    limits = dict(message_bytes=GIVEN["message_bytes"], sessions=GIVEN["sessions"] * len(GIVEN["env_ids"]))
    with stoppable():
        listen(app, "0.0.0.0", int(os.environ.get("PORT", "8000")), told=partial(print, flush=True), **limits)


if __name__ == "__main__":
    main()
'''

_MANIFEST = """spec_version: 1
name: {name}
version: {version}
type: space
runtime: fastapi
app: server.app:app
port: 8000
validation:
  reward:
    range: [-1.0, 1.0]
    oracle_tolerance: 0.0
    floor_margin: 0.1
  resources:
    cpu: 1.0
    memory_mb: 2048
    disk_mb: 2048
    episode_timeout_s: 600.0
  capabilities:
    verifier:
      kind: reward_channel
    task_api: true
    rubric_tree: {rubric}
  execution:
    kind: openenv_ws
    probe_path: validation/runtime.json
    dockerfile: Dockerfile
    context: .
  types:
    tags: [text-game, credit-assignment]
"""

_PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "openenv-{name}"
version = "{version}"
description = "{env_id} of credit_gym, served to OpenEnv's clients"
requires-python = ">=3.11"
dependencies = ["credit-gym[openenv]=={version}", "openenv>=0.10,<0.11"]

[project.scripts]
server = "server.app:main"

[tool.setuptools]
packages = ["server"]
"""

_DOCKERFILE = """FROM python:3.11-slim
WORKDIR /app/env
COPY . .
RUN pip install --no-cache-dir --find-links wheels . && useradd --no-create-home player
USER player
ENV HOME=/tmp PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=60s --retries=3 \\
  CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"
CMD ["python", "-m", "server.app"]
"""

_README = """---
title: {name}
sdk: docker
app_port: 8000
tags:
  - openenv
---

# {name}

`{env_id}` of credit_gym as an OpenEnv server: text in, text out, seeded, forkable.

    docker build -t {name} . && docker run --rm -p 127.0.0.1:8000:8000 {name}

```python
from openenv import GenericEnvClient

with GenericEnvClient(base_url="http://127.0.0.1:8000").sync() as env:
    result = env.reset(seed=0)
    result = env.step({{"text": result.observation["admissible_actions"][0]}})
```

Where the port is published beyond your machine, set `CREDIT_GYM_TOKEN` in the container and send it as
`headers={{"Authorization": "Bearer ..."}}`. A wheel of credit_gym that is on no index goes into `wheels/`. For
`openenv push`, make a lock file too: `uv lock`.
"""


def write_package(folder: Path, name: str, given: Mapping[str, Any]) -> None:
    """Write a package that serves what ``credit-gym serve`` would.

    Args:
        folder: where; it is made, and must be empty.
        name: of the environment.
        given: arguments of :func:`credit_gym.cli.serve.application`, without the token.

    Raises:
        CreditGymError: the folder holds something, or cannot be written.
    """
    from credit_gym import __version__

    plain = name.lower()
    words = {"name": plain, "version": __version__, "env_id": given["env_ids"][0]}
    plan = {"plan_schema_version": "1", "reset": {"episode_id": "probe", "seed": 0}, "actions": [{"text": "look"}]}
    files = {
        "openenv.yaml": _MANIFEST.format(**words, rubric=str(given["scorer"] is not None).lower()),
        "pyproject.toml": _PROJECT.format(**words),
        "Dockerfile": _DOCKERFILE,
        "README.md": _README.format(**words),
        "server/__init__.py": "",
        "server/app.py": _APP.format(name=plain, given=_arguments(given)),
        "validation/runtime.json": json.dumps(plan, indent=2) + "\n",
        "wheels/.keep": "",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.listdir(folder):
            raise CreditGymError(f"{folder} holds something already: name another folder.")
        for path, content in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(content, encoding="utf-8")
    except OSError as error:
        raise CreditGymError(f"{folder} cannot be written: {error.strerror}.") from None


def _arguments(given: Mapping[str, Any]) -> str:
    """Arguments as Python writes them; they are what a command line can say, and so plain values."""
    return "\n".join(f"    {name}={value!r}," for name, value in given.items())
