"""Driving tau2's own orchestrator: against a stand-in with the names, turns and limits of tau2 1.0.1.

tau2-bench cannot be installed in every place that runs these tests (it is on no package index, and wants Python 3.12);
the last test runs where it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from credit_gym.envs.tau2.checkout import require_tau2
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.errors import ManifestError, MissingExtraError, UnknownNameError

MODULES = {
    "loguru.py": """
class logger:
    disable = staticmethod(lambda name: None)
""",
    "tau2/__init__.py": "",
    "tau2/utils/__init__.py": "",
    "tau2/utils/utils.py": "def get_now(): return '2026-01-01T00:00:00'",
    "tau2/data_model/__init__.py": "",
    "tau2/data_model/message.py": """
class Base:
    def __init__(self, **fields):
        self.__dict__.update(fields)
    def model_dump(self, mode=None):
        return {k: [c.model_dump() for c in v] if k == 'tool_calls' and v else v for k, v in self.__dict__.items()}
class ToolCall(Base): pass
class AssistantMessage(Base):
    tool_calls = content = None
class UserMessage(Base):
    tool_calls = content = None
class ToolMessage(Base): pass
""",
    "tau2/user/__init__.py": "",
    "tau2/user/user_simulator.py": "class DummyUser:\n    def set_seed(self, seed): pass",
    "tau2/registry.py": """
from types import SimpleNamespace
from tau2.data_model.message import Base
def schema(name, *arguments):
    properties = {a: {'type': 'string'} for a in arguments}
    return SimpleNamespace(name=name, openai_schema={'type': 'function', 'function': {
        'name': name, 'description': name, 'parameters': {'type': 'object', 'properties': properties,
                                                          'required': list(arguments)}}})
class Kit:
    def __init__(self, *tools): self.tools = tools
    def tool_type(self, name): return SimpleNamespace(value='write' if name.startswith('set') else 'read')
class Environment:
    def __init__(self, solo_mode):
        self.state, self.solo_mode = 'off', solo_mode
        self.tools, self.user_tools = Kit(schema('set_switch', 'to'), schema('look')), Kit(schema('peek'))
    def get_policy(self): return 'Switch it on.'
    def get_tools(self): return list(self.tools.tools)
    def get_user_tools(self): return list(self.user_tools.tools)
    def run(self, call):
        if call.name == 'set_switch': self.state = call.arguments['to']
        elif call.name not in ('look', 'peek'): return 'Error: no such tool', True
        return self.state, False
class Task(Base):
    @property
    def id(self): return self.__dict__['id']
def tasks(split=None):
    gold = [{'action_id': 'a', 'name': 'set_switch', 'arguments': {'to': 'on'}}]
    return [Task(**{'id': 't1', 'user_scenario': {'instructions': 'Switch it on, please.'}, 'ticket': 'Switch it on.',
                    'evaluation_criteria': {'actions': gold, 'reward_basis': ['DB', 'ACTION']}})]
class registry:
    get_domains = staticmethod(lambda: ['telecom'])
    get_env_constructor = staticmethod(lambda name: Environment)
    get_tasks_loader = staticmethod(lambda name: tasks)
    get_task_splits_loader = staticmethod(lambda name: lambda: {'train': ['t1']})
""",
    "tau2/evaluator/__init__.py": "",
    "tau2/evaluator/evaluator.py": """
import enum
from tau2.data_model.message import Base
class EvaluationType(enum.Enum):
    ENV = 'env'; ACTION = 'action'; COMMUNICATE = 'communicate'
def evaluate_simulation(simulation, task, evaluation_type, solo_mode, domain):
    return Base(reward=float(simulation['state'] == 'on'))
""",
    "tau2/orchestrator/__init__.py": "",
    "tau2/orchestrator/orchestrator.py": """
import enum
from types import SimpleNamespace
from tau2.data_model.message import AssistantMessage, ToolMessage
class Role(enum.Enum):
    AGENT = 'agent'; USER = 'user'; ENV = 'env'
def reason(text): return SimpleNamespace(value=text)
class Orchestrator:
    def __init__(self, domain, agent, user, environment, task, max_steps, max_errors, seed, solo_mode):
        self.agent, self.user, self.environment = agent, user, environment
        self.max_steps, self.max_errors, self.solo_mode, self.seed = max_steps, max_errors, solo_mode, seed
        self.done, self.termination_reason, self.step_count, self.num_errors = False, None, 0, 0
        self.trajectory = []
    def initialize(self):
        self.agent.set_seed(self.seed); self.user.set_seed(self.seed)
        self.agent_state = self.agent.get_init_state()
        if self.solo_mode:
            assert type(self.agent).__name__ == 'GymAgent'
            self.from_agent(self.agent.generate_next_message(None, self.agent_state)[0])
            return
        self.user_state = self.user.get_init_state()
        self.trajectory = [AssistantMessage(role='assistant', content='Hi! How can I help you today?')]
        self.message, self.from_role, self.to_role = self.trajectory[0], Role.AGENT, Role.USER
    def from_agent(self, message):
        self.trajectory.append(message)
        self.message, self.from_role = message, Role.AGENT
        self.to_role = Role.ENV if message.tool_calls else Role.USER
        if self.agent.is_stop(message):
            self.done, self.termination_reason = True, reason('agent_stop')
        elif self.solo_mode and not message.tool_calls:
            self.done, self.termination_reason = True, reason('agent_error')
    def step(self):
        assert not self.done
        if self.to_role == Role.AGENT:
            self.from_agent(self.agent.generate_next_message(self.message, self.agent_state)[0])
        elif self.to_role == Role.USER:
            message, self.user_state = self.user.generate_next_message(self.message, self.user_state)
            self.trajectory.append(message)
            self.message, self.from_role = message, Role.USER
            self.to_role = Role.ENV if message.tool_calls else Role.AGENT
            if message.content and '###STOP###' in message.content:
                self.done, self.termination_reason = True, reason('user_stop')
        else:
            call, = self.message.tool_calls
            content, error = self.environment.run(call)
            self.num_errors += error
            self.message = ToolMessage(id='', role='tool', content=content, error=error, requestor=call.requestor)
            self.trajectory.append(self.message)
            self.to_role, self.from_role = self.from_role, Role.ENV
        self.step_count += 1
    def _check_termination(self):
        if self.to_role == Role.ENV: return
        if self.step_count >= self.max_steps:
            self.done, self.termination_reason = True, reason('max_steps')
        if self.num_errors >= self.max_errors:
            self.done, self.termination_reason = True, reason('too_many_errors')
    def _finalize(self):
        assert self._run_start_perf and self._run_start_time
        return {'state': self.environment.state}
""",
}


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, text in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("tau2", "loguru"):
            del sys.modules[name]


@pytest.mark.usefixtures("stand_in")
def test_a_conversation_goes_through_the_orchestrator() -> None:
    env = Tau2Env("telecom")
    observation, info = env.reset(seed=0)
    assert (observation, info["policy"], info["hops"]) == ("user: Switch it on, please.", "Switch it on.", 1)
    assert [tool["function"]["name"] for tool in info["tools"]] == ["set_switch", "look", "done"]
    observation, _, _, _, info = env.step("look()")
    assert (observation, info["hops"], info["verifier"]) == ("tool: off", 3, 0.0)
    observation, _, _, _, info = env.step("nothing()")
    assert (info["errors"], info["invalid"]) == (1, True)
    observation, _, _, _, info = env.step(info["expert_actions"][0])
    assert (observation, info["verifier"]) == ("tool: on", 1.0)
    _, reward, terminated, truncated, info = env.step("It is done.")
    assert (reward, terminated, truncated, info["termination"]) == (1.0, True, False, "user_stop")
    assert info["reward_components"] == {"ENV": 1.0, "ACTION": 1.0}
    with pytest.raises(NotImplementedError, match="cannot be forked"):
        env.clone_state()
    env.reset(seed=0)
    assert env.step("done()")[1] == 0.0


@pytest.mark.usefixtures("stand_in")
def test_limits_truncate_and_every_reset_begins_anew() -> None:
    env = Tau2Env("telecom", max_steps=4, split="train")
    for _ in range(3):
        _, info = env.reset(seed=1)
        assert info["hops"] == 1
        env.step("look()")
        _, reward, terminated, truncated, info = env.step("look()")
        assert (reward, terminated, truncated, info["termination"]) == (0.0, False, True, "max_steps")
    env = Tau2Env("telecom", max_errors=1)
    env.reset(seed=1)
    assert env.step("nothing()")[3]


@pytest.mark.usefixtures("stand_in")
def test_a_solo_agent_works_from_the_ticket() -> None:
    env = Tau2Env("telecom", solo=True)
    observation, _info = env.reset(seed=0)
    assert observation == "ticket: Switch it on."
    assert env.step('{"name": "set_switch", "arguments": {"to": "on"}}')[0] == "tool: on"
    assert env.step("done()")[1] == 1.0
    env.reset(seed=0)
    assert env.step("Hello?")[4]["termination"] == "agent_error"


@pytest.mark.usefixtures("stand_in")
def test_alone_the_users_gold_calls_are_the_agents(tmp_path: Path) -> None:
    registry = tmp_path / "tau2" / "registry.py"
    twice = "gold = 2 * [{'requestor': 'user', 'action_id': 'a', "
    registry.write_text(registry.read_text().replace("gold = [{'action_id': 'a', ", twice))
    env = Tau2Env("telecom", solo=True)
    _, info = env.reset(seed=0)
    readings, actions = [], []
    while "success" not in info:
        actions.append(info["expert_actions"][0])
        _, reward, _, _, info = env.step(actions[-1])
        readings.append(info["verifier"])
    assert (reward, readings) == (1.0, [1.0, 0.0, 0.0])  # one call matches both, and is made twice as it is asked twice
    assert actions == [actions[0], actions[0], "done()"]


@pytest.mark.usefixtures("stand_in")
def test_the_customers_gold_calls_are_asked_of_the_customer_once(tmp_path: Path) -> None:
    registry = tmp_path / "tau2" / "registry.py"
    peek = "gold = [{'action_id': 'p', 'name': 'peek', 'arguments': {}, 'requestor': 'user'}, {'action_id': 'a', "
    registry.write_text(registry.read_text().replace("gold = [{'action_id': 'a', ", peek))
    env = Tau2Env("telecom")
    _, info = env.reset(seed=0)
    readings, actions = [], []
    while "success" not in info:
        actions.append(info["expert_actions"][0])
        _, reward, _, _, info = env.step(actions[-1])
        readings.append(info["verifier"])
    assert (reward, readings) == (1.0, [0.5, 0.5, 0.0])
    assert len(set(actions)) == 3
    assert "peek()" in actions[0]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("file", "old", "new", "kind", "said"),
    [
        ("registry.py", "def get_policy", "def get_policy(self): raise FileNotFoundError('policy.md')\n    def old",
         ManifestError, "FileNotFoundError: policy.md.*TAU2_DATA_DIR"),
        ("registry.py", "gold = [{", "open('/nowhere/tasks.json')\n    gold = [{", ManifestError, "nowhere/tasks.json"),
        ("registry.py", "'user_scenario':", "'scenario':", ManifestError, "not a tau2 task"),
        ("registry.py", "from types import", "import rank_bm26\nfrom types import", MissingExtraError, "rank_bm26"),
        ("orchestrator/orchestrator.py", "import enum", "import litellm_6", MissingExtraError, "litellm_6"),
        ("registry.py", "{'train': ['t1']}", "{'train': ['t9']}", ManifestError, "names the task 't9'"),
    ],
)  # fmt: skip
def test_what_a_checkout_lacks_is_one_sentence(
    tmp_path: Path, file: str, old: str, new: str, kind: type[Exception], said: str
) -> None:
    path = tmp_path / "tau2" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(kind, match=said) as error:
        Tau2Env("telecom", split="train").reset(seed=0)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("stand_in")
def test_a_domain_that_the_checkout_lacks_is_named() -> None:
    with pytest.raises(UnknownNameError, match="telecom"):
        Tau2Env("retail", checkout=True)


def test_the_package_of_the_same_name_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tau2").mkdir()
    (tmp_path / "tau2" / "__init__.py").write_text("raise RuntimeError('imported the wrong tau2')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtraError, match="another project") as error:
        require_tau2()
    assert "\n" not in str(error.value)
    assert "tau2" not in sys.modules


@pytest.mark.skipif(getattr(find_spec("tau2"), "origin", None) is None, reason="tau2-bench is not installed")
def test_the_real_orchestrator_gives_the_gold_actions_reward_1() -> None:
    require_tau2()
    env = Tau2Env("mock", checkout=True, task_id="create_task_1")
    _, info = env.reset(seed=0)
    reward = 0.0
    while "success" not in info:
        _, reward, _, _, info = env.step(info["expert_actions"][0])
    assert reward == 1.0
