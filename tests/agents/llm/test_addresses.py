"""Where a spec says that a model is served: read rightly or refused, and never the provider by a misreading."""

import pytest
from builders.model_servers import KEY, Reply, serving
from builders.protocols import PROTOCOLS, REQUEST, ask
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.agents.llm.address import read_address
from credit_gym.agents.llm.openai import OpenAIBackend
from credit_gym.agents.llm.server import ServerError
from credit_gym.errors import CreditGymError

FORM = "Write openai:MODEL or openai:MODEL@URL"
SCHEME = "the URL with its scheme: it looks like http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("argument", "model", "url"),
    [
        ("gpt-x", "gpt-x", None),
        ("org/m", "org/m", None),
        ("ft:gpt-x:org::id", "ft:gpt-x:org::id", None),
        ("m@http://h:1/v1", "m", "http://h:1/v1"),
        ("m@HTTP://H:1/v1", "m", "http://H:1/v1"),
        ("m@Https://h", "m", "https://h"),
        ("m@http://h/v1///", "m", "http://h/v1"),
        ("m@http://[::1]:8000/v1", "m", "http://[::1]:8000/v1"),
        ("org/m:free@2026@http://h:1/v1/", "org/m:free@2026", "http://h:1/v1"),
        ("@cf/org/m@http://h/v1", "@cf/org/m", "http://h/v1"),
    ],
)
def test_an_address_is_read_as_it_is_written(argument, model, url):
    assert read_address("openai", argument) == (model, url)


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("", FORM),
        ("a b", FORM),
        ("m\x00", FORM),
        ("@http://h/v1", FORM),
        ("http://h/v1", FORM),
        ("mhttp://h/v1", FORM),
        ("m @http://h/v1", FORM),
        ("m@http://h /v1", FORM),
        ("m@", SCHEME),
        ("m@2026", SCHEME),
        ("m@127.0.0.1:8000/v1", SCHEME),
        ("m@localhost", SCHEME),
        ("m@[::1]:8000/v1", SCHEME),
        ("m@//h/v1", SCHEME),
        ("m@http:h/v1", SCHEME),
        ("127.0.0.1:8000/v1", SCHEME),
        ("localhost:8000", SCHEME),
        ("[::1]:8000/v1", SCHEME),
        ("m@ftp://h/v1", "begins with http or https"),
        ("m@ws://h/v1", "begins with http or https"),
        ("m@file:///etc/passwd", "begins with http or https"),
        ("m@unix:/run/s", "begins with http or https"),
        ("m@http://", "has no host"),
        ("m@http:///v1", "has no host"),
        ("m@http:/h/v1", "has no host"),
        ("m@http://h:port/v1", "has no host"),
        ("m@http://h:0/v1", "has no host"),
        ("m@http://h:99999/v1", "has no host"),
        ("m@http://::1:8000/v1", "has no host"),
        ("m@http://[::1/v1", "has no host"),
        ("m@http://h\\@x/v1", "has no host"),
        ("m@http://h/v1@http://k/v1", "has no host"),
        (f"m@http://me:{KEY}@h/v1", "keys belong in the environment"),
        (f"m@http://{KEY}@h/v1", "keys belong in the environment"),
        ("m@http://@h/v1", "keys belong in the environment"),
        (f"m@http://h/v1?api_key={KEY}", "keys belong in the environment"),
        (f"m@http://h/v1#{KEY}", "keys belong in the environment"),
        ("m@http://h/v1?", "keys belong in the environment"),
    ],
)
def test_a_bad_address_gets_one_sentence_without_its_secrets(argument, sentence):
    with pytest.raises(CreditGymError, match=sentence) as caught:
        OpenAIBackend(argument)
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


hosts = st.sampled_from(["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "models.example:80", "10.0.0.1", "h"])
separators = st.sampled_from(
    ["@", "@ ", "@@", "", "/", "@//", "@:", "@http:", "@http:/", "@http;//", "@htp://", "@ftp://"]
)


@given(st.sampled_from(["m", "org/m", "m:free", ""]), separators, hosts, st.sampled_from(["", "/", "/v1"]))
def test_what_names_a_host_is_never_the_providers(model, separator, host, path):
    if not model and separator == "":
        return
    argument = f"{model}{separator}{host}{path}"
    try:
        address = read_address("openai", argument)
    except CreditGymError:
        return
    assert address.url or "@" not in argument


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "HTTP", "Http"])
def test_a_scheme_in_capitals_leads_to_the_same_server(protocol, scheme):
    kind, faithful, path = PROTOCOLS[protocol]
    with serving(faithful) as server:
        (completion,) = ask(kind(f"m@{scheme}{server.root.removeprefix('http')}{path}/"), REQUEST)
        assert completion.text
        assert len(server.posts()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_gets_neither_the_key_nor_the_chat(protocol, status, monkeypatch):
    monkeypatch.setenv(f"{protocol.upper()}_API_KEY", KEY)
    kind, faithful, path = PROTOCOLS[protocol]
    with serving(faithful) as thief, serving(lambda seen: away(thief, seen, status)) as server:
        backend = kind(f"m@{server.root}{path}", timeout=5.0)
        (error,) = ask(backend, REQUEST)
    assert isinstance(error, ServerError), error
    assert "redirects to '127.0.0.1'" in str(error)
    assert not error.retryable
    assert thief.seen == []


def away(thief, seen, status):
    if seen.method == "GET":
        return Reply("", 404)
    return Reply("", status, headers={"location": f"{thief.root}{seen.path}"})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_redirect_on_the_server_itself_is_followed(protocol):
    kind, faithful, path = PROTOCOLS[protocol]

    def moved(seen):
        if seen.method == "POST" and not seen.path.startswith("/new"):
            return Reply("", 307, headers={"location": f"/new{seen.path}"})
        return faithful(seen)

    with serving(moved) as server:
        (answer,) = ask(kind(f"m@{server.root}{path}", timeout=5.0), REQUEST)
    assert answer.text in ("sit", "stand", "run")
