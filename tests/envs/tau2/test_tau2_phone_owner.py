"""The customer of the telecom domain without a language model: what it takes for a request, and how it answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from builders.phone_company import phone_tasks, write_phone_company

from credit_gym.envs.tau2.actions import STOP, ToolCall
from credit_gym.envs.tau2.conversation import GREETING
from credit_gym.envs.tau2.database import Database, Tables
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.phone import device_of
from credit_gym.envs.tau2.phone_owner import PhoneOwner
from credit_gym.envs.tau2.phone_requests import requests_in
from credit_gym.envs.tau2.phone_tools import USER_TOOLS
from credit_gym.envs.tau2.tasks import read_task

PREFERRED = ("set_network_mode_preference", {"mode": "4g_5g_preferred"})


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phone_company(tmp_path_factory.mktemp("company"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Please run toggle_data().", ["toggle_data"]),
        ("Use `check_status_bar`, then `run_speed_test()`; check_status_bar again.",
         ["check_status_bar", "run_speed_test"]),
        ("grant_app_permission('messaging', 'sms') please",
         [("grant_app_permission", {"app_name": "messaging", "permission": "sms"})]),
        ("Use grant_app_permission to give the messaging app storage and SMS access.",
         [("grant_app_permission", {"app_name": "messaging", "permission": "storage"}),
          ("grant_app_permission", {"app_name": "messaging", "permission": "sms"})]),
        ("Use set_network_mode_preference(mode=\"4g_5g_preferred\")", [PREFERRED]),
        ("Use set_network_mode_preference with 5G.", [PREFERRED]),
        ("Could you check_app_permissions for the browser?", [("check_app_permissions", {"app_name": "browser"})]),
        ("Please turn off airplane mode.", ["toggle_airplane_mode"]),
        ("Please turn on airplane mode.", []),
        ("Turn airplane mode off, and then turn airplane mode on.", ["toggle_airplane_mode", "toggle_airplane_mode"]),
        ("Is airplane mode turned off?", ["check_network_status"]),
        ("Toggle airplane mode.", ["toggle_airplane_mode"]),
        ("Please enable mobile data and turn on data roaming.", ["toggle_roaming"]),
        ("Is data roaming on?", ["check_network_status"]),
        ("Roaming is now enabled on your line.", []),
        ("Disable Wi-Fi Calling, please.", ["toggle_wifi_calling"]),
        ("Is Wi-Fi calling turned on? And your Wi-Fi?", ["check_wifi_calling_status", "check_wifi_status"]),
        ("Disconnect your VPN.", ["disconnect_vpn"]),
        ("Turn off Data Saver, then run a speed test.", ["run_speed_test"]),
        ("Please restart your phone.", ["reboot_device"]),
        ("Reset your APN settings, and then reboot your phone.", ["reset_apn_settings", "reboot_device"]),
        ("Remove the SIM card and re-insert it.", ["reseat_sim_card"]),
        ("What does your SIM card status say?", ["check_sim_status"]),
        ("What do you see in the status bar?", ["check_status_bar"]),
        ("Try to send a picture message.", ["can_send_mms"]),
        ("Check your payment request, please. Then pay the bill.", ["check_payment_request", "make_payment"]),
        ("Set your preferred network to 5G.", [PREFERRED]),
        ("Which network mode do you prefer?", ["check_network_mode_preference"]),
        ("Allow the messaging app the SMS permission.",
         [("grant_app_permission", {"app_name": "messaging", "permission": "sms"})]),
        ("Which permissions does the messaging app have?", [("check_app_permissions", {"app_name": "messaging"})]),
        ("Everything is done. Goodbye.", []),
        ("May I have your phone number?", []),
        ("", []),
    ],
)  # fmt: skip
def test_requests_are_read_from_names_and_from_plain_english(text: str, wanted: Sequence[Any]) -> None:
    """On a phone in airplane mode with a VPN, with calls over Wi-Fi, mobile data on and roaming off."""
    phone = device_of({"airplane_mode": True, "wifi_calling_enabled": True, "vpn_connected": True})
    calls = [ToolCall(*((each, {}) if isinstance(each, str) else each), "user") for each in wanted]
    assert list(requests_in(text, USER_TOOLS, phone)) == calls


def spoken(company: Path, task: str) -> Tau2Env:
    env = Tau2Env("telecom", data=company, task_id=task)
    env.reset(seed=0)
    return env


def test_it_says_who_it_is_when_asked_and_agrees_but_to_another_plan(company: Path) -> None:
    env = spoken(company, "abroad")
    assert env.step("May I have your phone number?")[0] == "user: You are the owner of 555-010-0001, and at home."
    assert env.step("Shall I add 2 GB for $4?")[0] == "user: Yes, please."
    assert env.step("Or would you like to switch to a larger plan?")[0] == "user: No, I do not want another plan."


def test_it_does_both_what_is_asked_and_says_who_it_is(company: Path) -> None:
    observation = spoken(company, "data_off").step("Your phone number, please? And what does the status bar show?")[0]
    assert observation == (
        "user: You are the owner of 555-010-0001, and at home.\n"
        "Status Bar: 📶⁴ Excellent | 5G | 📵 Data Disabled | 🔋 71%"
    )


def test_it_answers_with_what_the_phone_says_and_its_calls_stay_unseen(company: Path) -> None:
    env = spoken(company, "slow")
    observation = env.step("Please disconnect your VPN, turn off data saver and check the network mode.")[0]
    assert observation == (
        "user: VPN disconnected successfully.\nStatus Bar: 📶¹ Poor | 2G | 📱 Data Enabled | 🔽 Data Saver | 🔋 71%\n"
        "Data Saver Mode is now OFF.\nStatus Bar: 📶¹ Poor | 2G | 📱 Data Enabled | 🔋 71%\n"
        "Network Mode Preference: 2g_only"
    )
    calls = [message.call.name for message in env.moment.messages if message.call]
    assert calls == ["disconnect_vpn", "toggle_data_saver_mode", "check_network_mode_preference"]
    assert all(message.call.requestor == "user" for message in env.moment.messages if message.call)


@pytest.mark.parametrize(
    ("task", "seen"),
    [
        ("data_off", "Speed test failed: No Connection."),
        ("no_pictures", "Your messaging app cannot send MMS messages."),
        ("unpaid", "Status Bar: 📵 No Signal | 📵 Data Disabled | 🔋 71%"),
    ],
)
def test_it_looks_for_itself_before_it_lets_the_agent_go(company: Path, task: str, seen: str) -> None:
    env = spoken(company, task)
    for _ in range(2):
        observation, _, terminated, _, _ = env.step("Goodbye.")
        assert (observation, terminated) == (f"user: It is not solved yet. {seen}", False)
    observation, reward, terminated, _, info = env.step("Goodbye.")
    assert (reward, terminated, info["termination"]) == (0.0, True, "user_stop")
    assert observation.endswith(STOP)


def test_where_the_phone_is_out_of_sight_it_does_what_it_is_told() -> None:
    """As in the conversations of tau2's own orchestrator, which keeps the databases to itself."""
    task = read_task(phone_tasks()[0])
    owner, nowhere = PhoneOwner(USER_TOOLS), Database(Tables({}))
    said = (GREETING, GREETING._replace(content="Turn on mobile data."))
    reply = owner.reply(task, owner.begin(task, 0)._replace(said=1), said, nowhere, 0)
    assert reply.call == ToolCall("toggle_data", {}, "user")


@pytest.mark.parametrize(
    "piece", ["turn off data saver, ", "toggle_data(", "sim ", "?", "turn ", "pay ", "é", "remove "]
)
@pytest.mark.parametrize("task", ["library", "telecom"])
def test_a_megabyte_of_words_costs_less_than_a_fifth_of_a_second(company: Path, piece: str, task: str) -> None:
    env = Tau2Env() if task == "library" else spoken(company, "slow")
    env.reset(seed=3)
    text = f"Well, {piece * (1_000_000 // len(piece))}"
    before = time.process_time()
    env.step(text)
    assert time.process_time() - before < 0.2
