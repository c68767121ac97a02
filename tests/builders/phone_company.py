"""A small telephone company in the layout of tau2's telecom domain: databases in TOML, policies, and tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ADA, BO = ("C1", "L1", "555-010-0001"), ("C2", "L3", "555-010-0003")
"""Two customers with the lines and numbers that they call about."""


def write_phone_company(folder: Path) -> Path:
    """Write the company below a folder, which is then a data folder of tau2-bench; return it."""
    place = folder / "tau2" / "domains" / "telecom"
    place.mkdir(parents=True)
    (place / "db.toml").write_text(_BOOKS)
    (place / "user_db.toml").write_text(_PHONE)
    (place / "main_policy.md").write_text("Find out who calls.")
    (place / "main_policy_solo.md").write_text("Work on the ticket.")
    (place / "tech_support_manual.md").write_text("Check, fix, check.")
    (place / "tech_support_workflow.md").write_text("Step 1.")
    (place / "tech_support_workflow_solo.md").write_text("Step 1, alone.")
    tasks = phone_tasks()
    names = [task["id"] for task in tasks]
    (place / "tasks.json").write_text(json.dumps(tasks))
    (place / "tasks_small.json").write_text(json.dumps(tasks[:2]))
    (place / "tasks_full.json").write_text(json.dumps([*tasks, {**tasks[0], "id": "data_off again"}]))
    (place / "split_tasks.json").write_text(json.dumps({"base": names, "train": names[:5], "test": names[5:]}))
    return folder


def phone_tasks() -> list[dict[str, Any]]:
    """Return the tasks, as their file holds them."""
    who, line = {"customer_id": "C1"}, {"customer_id": "C1", "line_id": "L1"}
    bo = {"customer_id": "C2", "line_id": "L3"}
    speed = [
        user("assert_mobile_data_status", expected_status=True),
        user("assert_internet_speed", expected_speed=200, expected_desc="excellent"),
    ]
    service = [
        user("assert_service_status", expected_status="connected"),
        agent("assert_no_overdue_bill", overdue_bill_id="B99"),
    ]
    return [
        task("data_off", _SLOW, [user("turn_data_off")], [act("toggle_data")], speed),
        task(
            "abroad",
            _SLOW,
            [
                user("set_user_location", abroad=True), user("turn_roaming_off"), agent("disable_roaming", **line),
                user("simulate_network_search"),
            ],
            [serve("enable_roaming", **line), act("toggle_roaming")],
            speed,
        ),
        task(
            "slow",
            _SLOW,
            [
                user("break_vpn"), user("turn_data_saver_mode_on"), user("set_network_mode_preference", mode="2g_only"),
            ],
            [
                act("toggle_data_saver_mode"), act("set_network_mode_preference", mode="4g_5g_preferred"),
                act("disconnect_vpn"),
            ],
            speed,
        ),
        task(
            "used_up",
            _SLOW,
            [agent("set_data_usage", **line, data_used_gb=15.1)],
            [serve("refuel_data", **line, gb_amount=2.0)],
            [*speed, agent("assert_data_refueling_amount", **line, expected_amount=2.0)],
        ),
        task(
            "no_draft",
            _SLOW,
            [agent("set_data_usage", **bo, data_used_gb=20.5)],
            [serve("refuel_data", **bo, gb_amount=2.0)],
            speed,
            basis=("DB", "ENV_ASSERTION"),
            whose=BO,
        ),
        task(
            "no_service",
            _DEAD,
            [user("turn_airplane_mode_on"), user("unseat_sim_card"), user("break_apn_settings")],
            [act("toggle_airplane_mode"), act("reseat_sim_card"), act("reset_apn_settings"), act("reboot_device")],
            service,
        ),
        task(
            "unpaid",
            _DEAD,
            [
                agent("suspend_line_for_overdue_bill", **line, new_bill_id="B99", contract_ended=False),
                user("simulate_network_search"),
            ],
            [
                serve("send_payment_request", **who, bill_id="B99"), act("make_payment"), serve("resume_line", **line),
                act("reboot_device"),
            ],
            service,
        ),
        task(
            "no_pictures",
            _PICTURES,
            [
                user("set_wifi_calling", enabled=True, mms_over_wifi=True), user("break_apn_mms_setting"),
                user("remove_app_permission", app_name="messaging", permission="sms"),
                user("remove_app_permission", app_name="messaging", permission="storage"),
            ],
            [
                act("toggle_wifi_calling"), act("reset_apn_settings"), act("reboot_device"),
                act("grant_app_permission", app_name="messaging", permission="sms"),
                act("grant_app_permission", app_name="messaging", permission="storage"),
            ],
            [user("assert_can_send_mms", expected_status=True)],
        ),
        task(
            "locked",
            _DEAD,
            [user("lock_sim_card", mode="pin")],
            [{**serve("transfer_to_human_agents", summary="I cannot fix it."), "compare_args": []}],
            [user("assert_service_status", expected_status="no_service")],
            basis=("ENV_ASSERTION", "ACTION"),
        ),
    ]  # fmt: skip


def task(
    name: str,
    reason: str,
    broken: Sequence[dict[str, Any]],
    fixes: Sequence[dict[str, Any]],
    asserted: Sequence[dict[str, Any]],
    *,
    basis: Sequence[str] = ("ENV_ASSERTION",),
    whose: tuple[str, str, str] = ADA,
) -> dict[str, Any]:
    """Return one task in the published shape."""
    known = f"You are the owner of {whose[2]}, and at home."
    return {
        "id": name,
        "description": {"purpose": reason, "relevant_policies": None, "notes": None},
        "user_scenario": {
            "persona": None,
            "instructions": {
                "domain": "telecom",
                "reason_for_call": reason,
                "known_info": known,
                "unknown_info": None,
                "task_instructions": "Do as you are told with `check_status_bar`. You do not want to change your plan.",
            },
        },
        "ticket": f"{reason} Number: {whose[2]}.",
        "initial_state": {
            "initialization_data": None,
            "initialization_actions": [user("set_user_info", name="X", phone_number=whose[2]), *broken],
            "message_history": None,
        },
        "evaluation_criteria": {
            "actions": [{**fix, "action_id": f"{fix['name']}_{number}"} for number, fix in enumerate(fixes)],
            "env_assertions": [{**call, "assert_value": True, "message": None} for call in asserted],
            "communicate_info": None,
            "nl_assertions": None,
            "reward_basis": list(basis),
        },
    }


def user(name: str, /, **arguments: Any) -> dict[str, Any]:
    """Return a call of the customer's side that a task makes itself."""
    return {"env_type": "user", "func_name": name, "arguments": arguments}


def agent(name: str, /, **arguments: Any) -> dict[str, Any]:
    """Return a call of the company's side that a task makes itself."""
    return {"env_type": "assistant", "func_name": name, "arguments": arguments}


def act(name: str, /, **arguments: Any) -> dict[str, Any]:
    """Return a call of the reference solution that the customer makes."""
    return {"requestor": "user", "name": name, "arguments": arguments, "info": None, "compare_args": None}


def serve(name: str, /, **arguments: Any) -> dict[str, Any]:
    """Return a call of the reference solution that the agent makes."""
    return {**act(name, **arguments), "requestor": "assistant"}


_SLOW = "Your mobile data does not work. You want excellent internet speed on your phone."
_DEAD = "Your phone has shown 'No Service' for some hours."
_PICTURES = "You cannot send MMS messages. You want to send one."

_BOOKS = """
[[plans]]
plan_id = "P1"
name = "Some"
data_limit_gb = 15.0
price_per_month = 65
data_refueling_price_per_gb = 2.0

[[plans]]
plan_id = "P2"
name = "More"
data_limit_gb = 20
price_per_month = 85.0
data_refueling_price_per_gb = 0.1

[[devices]]
device_id = "D1"
device_type = "phone"
model = "M"
is_esim_capable = true
activated = true
activation_date = "2025-01-20T14:30:00"

[[lines]]
phone_number = "555-010-0001"
line_id = "L1"
status = "Active"
plan_id = "P1"
device_id = "D1"
data_used_gb = 8.7
roaming_enabled = true
contract_end_date = "2026-12-31"

[[lines]]
line_id = "L2"
phone_number = "555-010-0002"
status = "Suspended"
plan_id = "P1"
suspension_start_date = 2025-02-01

[[lines]]
line_id = "L3"
phone_number = "555-010-0003"
status = "Active"
plan_id = "P2"

[[customers]]
customer_id = "C1"
full_name = "Ada Lovén"
date_of_birth = "1985-06-15"
email = "ada@mail.test"
phone_number = "555-010-0009"
account_status = "Active"
created_at = "2025-01-15T10:30:00"
line_ids = ["L1", "L2"]
bill_ids = ["B1", "B2"]
[[customers.payment_methods]]
method_type = "PayPal"
account_number_last_4 = "1235"
expiration_date = "12/2026"
[customers.address]
street = "1 High St"
city = "Town"
state = "CA"
zip_code = "90000"

[[customers]]
customer_id = "C2"
full_name = "Bo Berg"
date_of_birth = "1990-01-01"
email = "bo@mail.test"
phone_number = "555-010-0003"
line_ids = ["L3"]
bill_ids = ["B3"]
[customers.address]
street = "2 High St"
city = "Town"
state = "CA"
zip_code = "90000"

[[bills]]
bill_id = "B1"
customer_id = "C1"
period_start = "2025-01-01"
period_end = "2025-01-31"
issue_date = "2025-01-05"
total_due = 65.0
due_date = "2025-01-19"
status = "Paid"
[[bills.line_items]]
description = "Plan"
amount = 65
date = "2025-01-05"
item_type = "Plan Charge"

[[bills]]
bill_id = "B2"
customer_id = "C1"
period_start = "2025-03-01"
period_end = "2025-03-31"
issue_date = "2025-03-01"
total_due = 0.0
due_date = "2025-03-15"
status = "Draft"

[[bills]]
bill_id = "B3"
customer_id = "C2"
period_start = "2025-01-01"
period_end = "2025-01-31"
issue_date = "2025-01-05"
total_due = 85.0
due_date = "2025-01-19"
status = "Issued"
"""

_PHONE = """
[device]
network_signal_strength = "good"
network_technology_connected = "5G"
battery_level = 71

[device.active_apn_settings]
apn_name = "internet"

[device.app_statuses.messaging]
app_name = "messaging"
permissions = { sms = true, storage = true, phone = true }
"""
