"""A planted key, so that a test can look for it, and each kind of server in turn."""

import pytest
from builders.model_servers import KEY
from builders.protocols import PROTOCOLS


@pytest.fixture(autouse=True)
def planted_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture(params=PROTOCOLS)
def protocol(request):
    return request.param
