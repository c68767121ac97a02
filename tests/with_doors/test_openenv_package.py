"""The command as a process, and what it writes: OpenEnv's own checks pass, and signals end it."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders.served import serving
from openenv import GenericEnvClient
from openenv.cli._validation import validate_running_environment
from openenv.validation import Level, run_validation
from openenv.validation.graders import Subject
from openenv.validation.graders.runtime import ObservationSchemaGrader, RewardWellFormedGrader, StateContractGrader
from openenv.validation.parsers.openenv_yaml import OpenEnvYamlParser
from openenv.validation.runtime.collector import collect_runtime_evidence
from openenv.validation.runtime.contracts import load_runtime_plan
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

COMMAND = [sys.executable, "-m", "credit_gym.cli", "serve"]


def serve(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command says that ends by itself."""
    env = {**os.environ, **environment}
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False, env=env)


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as it serves, and its URL."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split(": ")[1].strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages") / "alfworld"
    written = serve(
        *("--env", "credit/ALFWorld-v0", "--env-arg", "num_tasks=6", "--split", "train", "--split", "valid_seen"),
        *("--scorer", "gigpo", "--option", "discount=0.9", "--token", "never-written", "--package", str(folder)),
    )
    assert written.returncode == 0, written.stderr
    return folder


@pytest.mark.slow
def test_openenv_validates_a_package_without_a_build(package: Path) -> None:
    report = run_validation(package, max_level=Level.STATIC)
    assert report.verdict.value == "pass"
    command = [Path(sys.executable).with_name("openenv"), "validate", package, "--skip-build"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_what_a_package_serves_passes_openenv_s_checks_of_a_running_server(package: Path) -> None:
    app = runpy.run_path(str(package / "server" / "app.py"))["app"]
    manifest: Any = OpenEnvYamlParser().parse(package)
    with serving(app) as url:
        report = validate_running_environment(url)
        assert report["passed"], report["criteria"]
        plan = load_runtime_plan(package, manifest.execution)
        evidence = collect_runtime_evidence(url, plan, episode_timeout_s=60.0)
        with GenericEnvClient(base_url=url).sync() as client:
            assert client.reset(split="valid_seen", index=5).observation["split"] == "valid_seen"
    assert evidence.failure_reason is None
    subject = Subject(
        root=package,
        manifest=manifest,
        image_ref=None,
        running=None,
        outputs_dir=package / "outputs",
        runtime_evidence=evidence,
    )
    for grader in (RewardWellFormedGrader(), ObservationSchemaGrader(), StateContractGrader()):
        result = grader.run(subject)
        assert result.status.value == "pass", result.evidence


@pytest.mark.slow
def test_a_package_is_served_by_its_own_program(package: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    env = {**os.environ, "PORT": str(port), "CREDIT_GYM_TOKEN": "asked-for"}
    command = [sys.executable, "-m", "server.app"]
    process = subprocess.Popen(command, cwd=package, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == f"http://0.0.0.0:{port}"
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/health").status_code == 200
        assert httpx.get(f"{url}/schema").status_code == 401
        assert httpx.get(f"{url}/schema", headers={"Authorization": "Bearer asked-for"}).status_code == 200
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()


def test_a_package_says_nothing_of_the_token_and_is_written_over_nothing(package: Path) -> None:
    assert "never-written" not in "".join(path.read_text() for path in package.rglob("*") if path.is_file())
    again = serve("--env", "credit/ALFWorld-v0", "--package", str(package))
    assert again.returncode == 2
    assert "holds something already" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_that_has_sessions(number: signal.Signals) -> None:
    with started("--env", "credit/Stochastic-v0") as (process, url):
        client = GenericEnvClient(base_url=url).sync()
        client.reset(seed=1)
        process.send_signal(number)
        assert process.wait(30) == 0
        _, said = process.communicate()
        assert said == ""


@pytest.mark.slow
def test_a_token_that_is_asked_for_is_never_said() -> None:
    with started("--env", "credit/Stochastic-v0", "--token", "of-letters") as (process, url):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer of-letters"}):
            httpx.get(f"{url}/schema?token=of-letters", headers=headers)
        for _ in range(3):
            with pytest.raises(InvalidStatus):
                connect(f"{url.replace('http', 'ws')}/ws", proxy=None)
        process.terminate()
        out, said = process.communicate(timeout=30)
        assert "of-letters" not in out + said
        assert "ERROR" not in said  # or any stranger could fill the log


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "give --env"),
        (("--env", "credit/ALFWold-v0"), "did you mean credit/ALFWorld-v0"),
        (("--env", "credit/Stochastic-v0", "--host", "0.0.0.0"), "give --token"),
        (("--env", "credit/Stochastic-v0", "--host", "192.0.2.1", "--token", "x"), "choose another --port"),
        (("--env", "credit/Stochastic-v0", "--split", "train"), "split"),
        (("--env", "credit/ALFWorld-v0", "--split", "trian"), "train"),
        (("--env", "credit/Stochastic-v0", "--env", "credit/Stochastic-v0"), "served as /Stochastic"),
        (("--env", "credit/Stochastic-v0", "--scorer", "gigpoo"), "did you mean gigpo"),
        (("--env", "credit/Stochastic-v0", "--option", "discount=1"), "name one with --scorer"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    said = serve(*arguments)
    assert said.returncode == 2
    assert sentence in said.stderr
    assert "Traceback" not in said.stderr
