"""Tests against a real vLLM, in an environment of its own (``make test-vllm``); without vLLM there are none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore_glob = []
if find_spec("vllm") is None:
    collect_ignore_glob.append("*.py")
else:
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    os.environ["VLLM_LOGGING_LEVEL"] = "WARNING"
    os.environ["VLLM_NO_USAGE_STATS"] = "1"

SHAPE = {"head_dim": 32, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 4096}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with the head width that vLLM's CPU attention takes."""
    from builders.tiny_models import tiny_model

    return tiny_model(tmp_path_factory.mktemp("models") / "tiny", **SHAPE)


@pytest.fixture(scope="session")
def critic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned to judge steps."""
    from builders.tiny_critics import tiny_critic

    return tiny_critic(tmp_path_factory.mktemp("models") / "critic", **SHAPE)


@pytest.fixture(scope="session")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a vLLM server that serves it as ``tiny``."""
    with _serving(folder, tmp_path_factory.mktemp("server") / "log.txt") as url:
        yield url


@pytest.fixture(scope="session")
def critic_server(critic: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a vLLM server that serves the critic as ``tiny``."""
    with _serving(critic, tmp_path_factory.mktemp("server") / "log.txt") as url:
        yield url


@contextmanager
def _serving(folder: Path, log: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--enforce-eager", "--dtype", "float32"]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"The vLLM server did not start:\n{log.read_text()[-3000:]}")
