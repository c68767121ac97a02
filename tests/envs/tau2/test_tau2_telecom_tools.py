"""The tools of the telecom domain: what they answer, what they do to each other's rows, and tau2's answers beside."""

from __future__ import annotations

import json
import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from builders.phone_company import act as act_of
from builders.phone_company import agent, phone_tasks, user, write_phone_company
from builders.phone_company import serve as serve_of
from builders.phone_company import task as build_task
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import credit_gym  # noqa: F401 - it registers the ids
from credit_gym.envs.tau2 import telecom
from credit_gym.envs.tau2.actions import ToolCall
from credit_gym.envs.tau2.database import Database, Draft
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.folder import read_domain
from credit_gym.envs.tau2.phone import DEVICE, SURROUNDINGS
from credit_gym.envs.tau2.tasks import read_task
from credit_gym.envs.tau2.toolkit import Result

TASKS = [task["id"] for task in phone_tasks()]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phone_company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def domain(company: Path) -> Domain:
    return read_domain(company, "telecom")


def started(domain: Domain, task: str) -> Database:
    return domain.begin(domain.tasks[task])


def serve(domain: Domain, database: Database, name: str, **arguments: Any) -> Result:
    return domain.call(database, ToolCall(name, arguments))


def act(domain: Domain, database: Database, name: str, **arguments: Any) -> Result:
    return domain.call(database, ToolCall(name, arguments, "user"))


def test_rows_are_shown_as_the_data_models_have_them(domain: Domain) -> None:
    start = Database(domain.tables)
    device = json.loads(serve(domain, start, "get_details_by_id", id="D1").content)
    assert device == {
        "device_id": "D1", "device_type": "phone", "model": "M", "imei": None, "is_esim_capable": True,
        "activated": True, "activation_date": "2025-01-20 14:30:00", "last_esim_transfer_date": None,
    }  # fmt: skip
    line = json.loads(serve(domain, start, "get_details_by_id", id="L2").content)
    assert list(line.items()) == [
        ("line_id", "L2"), ("phone_number", "555-010-0002"), ("status", "Suspended"), ("plan_id", "P1"),
        ("device_id", None), ("data_used_gb", 0.0), ("data_refueling_gb", 0.0), ("roaming_enabled", False),
        ("contract_end_date", None), ("last_plan_change_date", None), ("last_sim_replacement_date", None),
        ("suspension_start_date", "2025-02-01"),
    ]  # fmt: skip
    customer = json.loads(serve(domain, start, "get_customer_by_id", customer_id="C2").content)
    assert customer["created_at"] == "2025-01-01"  # tau2's default is a day, and stays one
    assert customer["account_status"] == "Pending Verification"
    assert customer["payment_methods"] == []
    plan = serve(domain, start, "get_details_by_id", id="P1").content
    assert plan.endswith('"price_per_month": 65.0, "data_refueling_price_per_gb": 2.0}')


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("get_customer_by_phone", {"phone_number": "1"}, "Error: Customer with phone number 1 not found"),
        ("get_customer_by_phone", {"phone_number": "-"}, "Error: Customer with phone number - not found"),
        ("get_customer_by_id", {"customer_id": "X"}, "Error: Customer with ID X not found"),
        ("get_customer_by_name", {"full_name": "Ada Lovén", "dob": "1985-06-16"}, "[]"),
        ("get_details_by_id", {"id": "B9"}, "Error: Bill with ID B9 not found"),
        ("get_details_by_id", {"id": "X9"}, "Error: Unknown ID format or type: X9"),
        ("get_details_by_id", {"id": ""}, "Error: Unknown ID format or type: "),
        ("suspend_line", {"customer_id": "C1", "line_id": "L2", "reason": "r"},
         "Error: Line must be active to suspend"),
        ("resume_line", {"customer_id": "C1", "line_id": "L1"}, "Error: Line must be suspended to resume"),
        ("resume_line", {"customer_id": "C2", "line_id": "L1"}, "Error: Line L1 not found for customer C2"),
        ("send_payment_request", {"customer_id": "C1", "bill_id": "B3"}, "Error: Bill B3 not found for customer C1"),
        ("get_data_usage", {"customer_id": "C1", "line_id": "L1"},
         '{"line_id": "L1", "data_used_gb": "8.7", "data_limit_gb": "15.0", "data_refueling_gb": "0.0", '
         '"cycle_end_date": "2025-02-28"}'),
        ("enable_roaming", {"customer_id": "C1", "line_id": "L1"}, "Roaming was already enabled"),
        ("disable_roaming", {"customer_id": "C1", "line_id": "L1"}, "Roaming disabled successfully"),
        ("disable_roaming", {"customer_id": "C2", "line_id": "L3"}, "Roaming was already disabled"),
        ("transfer_to_human_agents", {"summary": "s"}, "Transfer successful"),
        ("refuel_data", {"customer_id": "C1", "line_id": "L1", "gb_amount": 0},
         "Error: Refuel amount must be positive"),
        ("refuel_data", {"customer_id": "C1", "line_id": "L1", "gb_amount": 2},
         '{"message": "Successfully added 2 GB of data for line L1 for $4.00", "new_data_refueling_gb": "2.0", '
         '"charge": "4.0"}'),
    ],
)  # fmt: skip
def test_the_agents_tools_answer_as_published(
    domain: Domain, name: str, arguments: dict[str, Any], answer: str
) -> None:
    result = serve(domain, Database(domain.tables), name, **arguments)
    assert result.content == answer
    assert result.error == answer.startswith("Error: ")


def test_numbers_and_names_are_found_however_they_are_written(domain: Domain) -> None:
    start = Database(domain.tables)
    for number in ("555-010-0002", "5550100002", "(555) 010 0009"):
        assert '"C1"' in serve(domain, start, "get_customer_by_phone", phone_number=number).content
    found = serve(domain, start, "get_customer_by_name", full_name="ada loven ", dob="1985-06-15").content
    assert [row["customer_id"] for row in json.loads(found)] == ["C1"]
    bills = json.loads(serve(domain, start, "get_bills_for_customer", customer_id="C1", limit=1).content)
    assert [bill["bill_id"] for bill in bills] == ["B2"]


@pytest.mark.parametrize(
    ("task", "name", "arguments", "answer"),
    [
        ("abroad", "check_status_bar", {}, "Status Bar: 📶⁴ Excellent | 5G | 📱 Data Enabled | 🔋 71%"),
        ("no_service", "check_status_bar", {}, "Status Bar: ✈️ Airplane Mode | 🔋 71%"),
        ("slow", "check_status_bar", {},
         "Status Bar: 📶¹ Poor | 2G | 📱 Data Enabled | 🔽 Data Saver | 🔒 VPN Connected | 🔋 71%"),
        ("slow", "run_speed_test", {},
         "Speed Test Result: 0.00 Mbps (Very Poor). Connection is very slow. Basic web browsing might be difficult."),
        ("slow", "check_vpn_status", {},
         "VPN is ON and connected. Details: {'server_address': '192.168.1.1', 'protocol': 'OpenVPN', "
         "'server_performance': <PerformanceLevel.POOR: 'poor'>}"),
        ("slow", "connect_vpn", {}, "VPN already connected."),
        ("data_off", "run_speed_test", {}, "Speed test failed: No Connection."),
        ("data_off", "toggle_wifi", {}, "Wi-Fi is now ON.\nStatus Bar: 📶⁴ Excellent | 5G | 📵 Data Disabled | 🔋 71%"),
        ("no_service", "toggle_wifi", {},
         "Cannot change Wi-Fi settings while Airplane Mode is ON.\nStatus Bar: ✈️ Airplane Mode | 🔋 71%"),
        ("no_service", "check_sim_status", {}, "No SIM card detected in the phone."),
        ("no_service", "check_network_status", {},
         "Airplane Mode: ON\nSIM Card Status: missing\nCellular Connection: no_service\nCellular Signal: none\n"
         "Cellular Network Type: none\nMobile Data Enabled: Yes\nData Roaming Enabled: No\nWi-Fi Radio: OFF\n"
         "Wi-Fi Connected: No"),
        ("no_service", "check_apn_settings", {},
         "Current APN Name: broken\nMMSC URL (for picture messages): http://mms.carrier.com/mms/wapenc\n"
         "(These are technical settings, usually best left unchanged.)"),
        ("locked", "check_sim_status", {}, "The SIM card is locked with a PIN code."),
        ("no_pictures", "can_send_mms", {}, "Your messaging app cannot send MMS messages."),
        ("no_pictures", "check_app_permissions", {"app_name": "messaging"},
         "App 'messaging' has permission for: phone."),
        ("no_pictures", "check_app_status", {"app_name": "messaging"},
         "Status for App: messaging\n - Permissions Granted:\n   - phone"),
        ("no_pictures", "check_app_status", {"app_name": "x"}, "App 'x' not found on this phone."),
        ("no_pictures", "grant_app_permission", {"app_name": "messaging", "permission": "camera"},
         "Error. Permission 'camera' not tracked for app 'messaging', available permissions: "
         "['sms', 'storage', 'phone', 'network']\nStatus Bar: 📶³ Good | 5G | 📱 Data Enabled | 🔋 71%"),
        ("data_off", "set_network_mode_preference", {"mode": "6g"},
         "Failed to set network mode: '6g' is not a valid option. Please use one of: 4g_5g_preferred, 4g_only, "
         "3g_only, 2g_only\nStatus Bar: 📶⁴ Excellent | 5G | 📵 Data Disabled | 🔋 71%"),
        ("data_off", "check_payment_request", {}, "No payment request has been made."),
        ("data_off", "make_payment", {}, "You do not have a payment request."),
        ("data_off", "disconnect_vpn", {},
         "No active VPN connection to disconnect.\nStatus Bar: 📶⁴ Excellent | 5G | 📵 Data Disabled | 🔋 71%"),
        ("data_off", "check_wifi_calling_status", {}, "Wi-Fi Calling is currently turned OFF."),
        ("data_off", "check_data_restriction_status", {}, "Data Saver mode is OFF."),
        ("data_off", "check_installed_apps", {}, "The following apps are installed on the phone: messaging"),
    ],
)  # fmt: skip
def test_the_phone_answers_as_published(
    domain: Domain, task: str, name: str, arguments: dict[str, Any], answer: str
) -> None:
    result = act(domain, started(domain, task), name, **arguments)
    assert (result.content, result.error) == (answer, False)


def test_a_payment_goes_from_the_agent_to_the_customer_and_back(domain: Domain) -> None:
    database = started(domain, "unpaid")
    database = serve(domain, database, "send_payment_request", customer_id="C1", bill_id="B99").database
    again = serve(domain, database, "send_payment_request", customer_id="C1", bill_id="B1")
    assert again.content == "Error: A bill is already awaiting payment for this customer"
    asked = act(domain, database, "check_payment_request").content
    assert asked == "You have a payment request for bill B99 of 65.0 USD."
    database = act(domain, database, "make_payment").database
    assert (database.get("bills", "B99") or {})["status"] == "Paid"
    assert act(domain, database, "check_payment_request").content == "No payment request has been made."


def test_the_phone_feels_at_once_what_is_done_to_its_line(domain: Domain) -> None:
    line = {"customer_id": "C1", "line_id": "L1"}
    database = serve(domain, started(domain, "data_off"), "suspend_line", **line, reason="r").database
    bars = "Status Bar: 📶⁴ Excellent | 5G | 📵 Data Disabled | 🔋 71%"
    assert act(domain, database, "check_status_bar").content == bars  # until it looks for a network
    database = act(domain, database, "reboot_device").database
    assert "No Signal" in act(domain, database, "check_status_bar").content
    around = database.get(SURROUNDINGS, "surroundings") or {}
    assert (around["line_active"], around["roaming_allowed"]) == (False, True)
    database = serve(domain, database, "disable_roaming", **line).database
    assert not (database.get(SURROUNDINGS, "surroundings") or {})["roaming_allowed"]


def test_a_charge_without_a_draft_makes_the_same_bill_every_time(domain: Domain) -> None:
    calls = [
        serve(domain, started(domain, "no_draft"), "refuel_data", customer_id="C2", line_id="L3", gb_amount=2)
        for _ in range(2)
    ]
    assert calls[0].database.changed == calls[1].database.changed
    (bill,) = (row for _, row in calls[0].database.rows("bills") if row["status"] == "Draft" and "C2" in row["bill_id"])
    assert (bill["total_due"], bill["line_items"][0]["description"]) == (0.2, "Data refueling: 2 GB at $0.1/GB")
    assert bill["bill_id"] in (calls[0].database.get("customers", "C2") or {})["bill_ids"]


def test_settings_of_the_network_are_reset_by_a_restart_and_may_be_set(domain: Domain) -> None:
    database = act(domain, started(domain, "no_pictures"), "reset_apn_settings").database
    device = database.get(DEVICE, "device") or {}
    assert (device["active_apn_settings"]["reset_at_reboot"], device["active_apn_settings"]["mmsc_url"]) == (True, None)
    result = act(domain, database, "reboot_device")
    assert result.content.startswith("Resetting APN settings...\nRestarting network services...\nStatus Bar: ")
    settings_now = (result.database.get(DEVICE, "device") or {})["active_apn_settings"]
    assert (settings_now["reset_at_reboot"], settings_now["mmsc_url"]) == (False, "http://mms.carrier.com/mms/wapenc")
    result = act(domain, database, "set_apn_settings", apn_settings={"mmsc_url": "http://x", "mms_port": 80})
    assert result.content.startswith("APN settings set to: internet\nStatus Bar: ")
    for wrong in ({"speed": 1}, {"apn_name": "x"}, {"mms_port": True}, {"mmsc_url": 3}, []):
        assert act(domain, database, "set_apn_settings", apn_settings=wrong).error


LINE = {"customer_id": "C1", "line_id": "L1"}
FAULTS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "airplane": ([user("turn_airplane_mode_on")], [act_of("toggle_airplane_mode")]),
    "sim": ([user("unseat_sim_card")], [act_of("reseat_sim_card")]),
    "apn": ([user("break_apn_settings")], [act_of("reset_apn_settings"), act_of("reboot_device")]),
    "mmsc": ([user("break_apn_mms_setting")], [act_of("reset_apn_settings"), act_of("reboot_device")]),
    "data": ([user("turn_data_off")], [act_of("toggle_data")]),
    "saver": ([user("turn_data_saver_mode_on")], [act_of("toggle_data_saver_mode")]),
    "vpn": ([user("break_vpn")], [act_of("disconnect_vpn")]),
    "2g": (
        [user("set_network_mode_preference", mode="2g_only")],
        [act_of("set_network_mode_preference", mode="4g_5g_preferred")],
    ),
    "calls": ([user("set_wifi_calling", enabled=True, mms_over_wifi=True)], [act_of("toggle_wifi_calling")]),
    "sms": (
        [user("remove_app_permission", app_name="messaging", permission="sms")],
        [act_of("grant_app_permission", app_name="messaging", permission="sms")],
    ),
    "used": ([agent("set_data_usage", **LINE, data_used_gb=15.1)], [serve_of("refuel_data", **LINE, gb_amount=2.0)]),
    "roaming": (
        [user("set_user_location", abroad=True), user("turn_roaming_off"), agent("disable_roaming", **LINE)],
        [serve_of("enable_roaming", **LINE), act_of("toggle_roaming")],
    ),
    "unpaid": (
        [
            agent("suspend_line_for_overdue_bill", **LINE, new_bill_id="B99", contract_ended=False),
            user("simulate_network_search"),
        ],
        [
            serve_of("send_payment_request", customer_id="C1", bill_id="B99"),
            act_of("make_payment"),
            serve_of("resume_line", **LINE),
            act_of("reboot_device"),
        ],
    ),
}
WHOLE = [
    user("assert_service_status", expected_status="connected"),
    user("assert_mobile_data_status", expected_status=True),
    user("assert_internet_speed", expected_speed=200, expected_desc="excellent"),
    user("assert_can_send_mms", expected_status=True),
    user("assert_airplane_mode_status", expected_status=False),
    user("assert_mobile_data_saver_mode_status", expected_status=False),
    user("assert_mobile_data_usage_exceeded", expected_status=False),
    agent("assert_no_overdue_bill", overdue_bill_id="B99"),
    agent("assert_line_status", **LINE, expected_status="Active"),
]


@pytest.mark.slow
@given(faults=st.lists(st.sampled_from(sorted(FAULTS)), unique=True, min_size=1), order=st.randoms())
@settings(deadline=None)
def test_any_faults_together_are_mended_by_their_repairs_in_any_order(
    domain: Domain, faults: list[str], order: random.Random
) -> None:
    broken = [call for fault in faults for call in FAULTS[fault][0]]
    repairs = order.sample(faults, len(faults))
    fixes = [call for fault in repairs for call in FAULTS[fault][1]]
    # the restart comes last: what it finds depends on all the rest
    task = read_task(build_task("drawn", "r", broken, [*fixes, act_of("reboot_device")], WHOLE))
    start = domain.begin(task)
    path = domain.gold(task, start)
    assert not all(domain.holds(start, assertion) for assertion in task.assertions or ())
    assert [a.name for a in task.assertions or () if not domain.holds(path[-1], a)] == []


def test_a_task_may_bring_rows_of_its_own(company: Path, tmp_path: Path) -> None:
    path = write_phone_company(tmp_path) / "tau2" / "domains" / "telecom" / "tasks.json"
    tasks = json.loads(path.read_text())
    lines, phone = [{"line_id": "L1", "data_used_gb": 16}], {"battery_level": 5}
    tasks[0]["initial_state"]["initialization_data"] = {"agent_data": {"lines": lines}, "user_data": {"device": phone}}
    path.write_text(json.dumps(tasks))
    changed = read_domain(tmp_path, "telecom")
    database = started(changed, "data_off")
    assert act(changed, database, "check_status_bar").content.endswith("🔋 5%")
    assert (database.get("lines", "L1") or {})["data_used_gb"] == 16.0
    assert (database.get(SURROUNDINGS, "surroundings") or {})["mobile_data_usage_exceeded"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, width=16) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
LIKELY = st.sampled_from(["C1", "L1", "B1", "B2", "P1", "messaging", "sms", "storage", "2g_only", "555-010-0001", 2])


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_calls_at_all_are_answered_and_a_refused_one_changes_nothing(domain: Domain, data: st.DataObject) -> None:
    database = started(domain, data.draw(st.sampled_from(TASKS)))
    for _ in range(6):
        side = data.draw(st.sampled_from(["user", "assistant"]))
        tool = data.draw(st.sampled_from(sorted(domain.kit(side))))
        names = st.sampled_from([*domain.kit(side)[tool].arguments, "other"])
        arguments = data.draw(st.dictionaries(names, LIKELY | JSON, max_size=3))
        result = domain.call(database, ToolCall(tool, arguments, side))
        assert not result.error or result.database is database
        json.dumps(result.database.dump())
        draft = Draft(result.database)
        telecom.sync(draft)
        assert draft.written == {}  # it was carried over already
        database = result.database


@pytest.mark.skipif(find_spec("tau2") is None or find_spec("tau2.registry") is None, reason="needs tau2-bench")
def test_every_answer_is_the_one_that_tau2_gives(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    environment = pytest.importorskip("tau2.domains.telecom.environment")
    books = pytest.importorskip("tau2.domains.telecom.data_model").TelecomDB
    phones = pytest.importorskip("tau2.domains.telecom.user_data_model").TelecomUserDB
    call_type = pytest.importorskip("tau2.data_model.message").ToolCall
    task_type = pytest.importorskip("tau2.data_model.tasks").Task
    place = company / "tau2" / "domains" / "telecom"
    domain = read_domain(company, "telecom", upstream=True)
    draw = random.Random(0)
    words = ["C1", "C2", "L1", "L2", "L3", "B1", "B2", "B3", "B99", "P1", "D1", "messaging", "sms", "storage", "x",
             "4g_5g_preferred", "2g_only", "555-010-0001", "555-010-0003", "1985-06-15", "Ada Lovén"]  # fmt: skip
    for task in phone_tasks():
        for _ in range(20):
            theirs = environment.TelecomEnvironment(
                "telecom",
                "",
                environment.TelecomTools(books.load(place / "db.toml")),
                environment.TelecomUserTools(phones.load(place / "user_db.toml")),
            )
            initial = task_type.model_validate(task).initial_state
            theirs.set_state(None, initial.initialization_actions, [])
            database = started(domain, task["id"])
            for _ in range(40):
                side = draw.choice(["user", "assistant"])
                tool = draw.choice(sorted(domain.kit(side)))
                arguments: dict[str, Any] = {
                    name: draw.choice([0, 1.5, 2]) if name in ("limit", "gb_amount") else
                    {"mmsc_url": None} if name == "apn_settings" else draw.choice(words)
                    for name in domain.kit(side)[tool].arguments
                }  # fmt: skip
                named_by_chance = tool == "refuel_data" and arguments["customer_id"] == "C2"  # tau2's new bill
                if named_by_chance or isinstance(arguments.get("limit"), float):
                    continue
                result = domain.call(database, ToolCall(tool, arguments, side))
                answer = theirs.get_response(call_type(id="", name=tool, arguments=arguments, requestor=side))
                assert (result.content, result.error) == (answer.content, answer.error), (task["id"], tool, arguments)
                database = result.database
                for assertion in domain.tasks[task["id"]].assertions or ():
                    function = getattr(theirs.user_tools if assertion.side == "user" else theirs.tools, assertion.name)
                    assert domain.run(database, assertion)[1] == function(**assertion.arguments)
