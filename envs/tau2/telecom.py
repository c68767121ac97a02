"""The tools of tau2's telecom agent, and what joins the company's books to the customer's phone."""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from credit_gym.envs.tau2 import carrier, phone, phone_scenes
from credit_gym.envs.tau2.carrier import (
    TODAY,
    add_bill,
    bills_of,
    charge,
    customer_with,
    find_bill,
    find_customer,
    find_device,
    find_line,
    find_plan,
    line_of,
    line_with,
)
from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.handover import transfer_to_human_agents
from credit_gym.envs.tau2.lookup import folded
from credit_gym.envs.tau2.toolkit import Refused, Toolkit

TOOLS = Toolkit()
IDENTIFY = frozenset(("get_customer_by_phone", "get_customer_by_id", "get_customer_by_name"))
CONSENT = frozenset(("refuel_data",))
"""The changes that the policy lets an agent make only after the customer's yes: those that cost money."""

MODELS: Mapping[str, type] = {**carrier.MODELS, **phone.MODELS}
"""Table -> what its rows look like."""


@TOOLS.read
def get_customer_by_phone(db: Draft, phone_number: str) -> Row:
    """Find a customer by their phone number, or that of one of their lines.

    Args:
        phone_number: The phone number, such as '555-123-4567'.
    """
    return customer_with(db, phone_number)


@TOOLS.read
def get_customer_by_id(db: Draft, customer_id: str) -> Row:
    """Get a customer by their id.

    Args:
        customer_id: The customer's id.
    """
    return find_customer(db, customer_id)


@TOOLS.read
def get_customer_by_name(db: Draft, full_name: str, dob: str) -> list[Row]:
    """Find customers by their name and date of birth; there may be several.

    Args:
        full_name: First and last name.
        dob: Date of birth as YYYY-MM-DD, which proves who they are.
    """
    wanted = folded(full_name)
    return [
        customer
        for _, customer in db.rows("customers")
        if folded(customer["full_name"]) == wanted and customer["date_of_birth"] == dob
    ]


@TOOLS.read
def get_details_by_id(db: Draft, id: str) -> Row:
    """Get a customer, line, device, bill or plan by its id.

    Args:
        id: The id; its first letter says what it is of (C, L, D, B or P).
    """
    find = _FINDERS.get(id[:1])
    if find is None:
        raise Refused(f"Unknown ID format or type: {id}")
    return find(db, id)


@TOOLS.write
def suspend_line(db: Draft, customer_id: str, line_id: str, reason: str) -> Row:
    """Suspend an active line, for six months at most; a fee of $5 a month is held.

    Args:
        customer_id: The customer who owns the line.
        line_id: The line to suspend.
        reason: Why it is suspended.
    """
    line = line_of(db, customer_id, line_id)
    if line["status"] != "Active":
        raise Refused("Line must be active to suspend")
    line = db.put("lines", line_id, {**line, "status": "Suspended", "suspension_start_date": TODAY})
    return {"message": "Line suspended successfully. $5/month holding fee will apply.", "line": line}


@TOOLS.write
def resume_line(db: Draft, customer_id: str, line_id: str) -> Row:
    """Resume a line that is suspended or waits for its activation.

    Args:
        customer_id: The customer who owns the line.
        line_id: The line to resume.
    """
    line = line_of(db, customer_id, line_id)
    if line["status"] not in ("Suspended", "Pending Activation"):
        raise Refused("Line must be suspended to resume")
    line = db.put("lines", line_id, {**line, "status": "Active", "suspension_start_date": None})
    return {"message": "Line resumed successfully", "line": line}


@TOOLS.read
def get_bills_for_customer(db: Draft, customer_id: str, limit: int = 12) -> list[Row]:
    """Get a customer's bills, the newest first.

    Args:
        customer_id: The customer.
        limit: How many bills at most.
    """
    bills = [find_bill(db, key) for key in find_customer(db, customer_id)["bill_ids"]]
    return sorted(bills, key=lambda bill: bill["issue_date"], reverse=True)[:limit]


@TOOLS.write
def send_payment_request(db: Draft, customer_id: str, bill_id: str) -> str:
    """Ask the customer to pay a bill; no other may be waiting. Look first whether the bill needs to be paid.

    Args:
        customer_id: The customer who owes the bill.
        bill_id: The bill to pay.
    """
    customer = find_customer(db, customer_id)
    if bills_of(db, customer, "Awaiting Payment"):
        raise Refused("A bill is already awaiting payment for this customer")
    if bill_id not in customer["bill_ids"]:
        raise Refused(f"Bill {bill_id} not found for customer {customer_id}")
    db.put("bills", bill_id, {**find_bill(db, bill_id), "status": "Awaiting Payment"})
    return f"Payment request sent to the customer for bill {bill_id}"


@TOOLS.read
def get_data_usage(db: Draft, customer_id: str, line_id: str) -> Row:
    """Get how much data a line has used in this cycle, its limit, what was added, and when the cycle ends.

    Args:
        customer_id: The customer who owns the line.
        line_id: The line to look at.
    """
    line = line_of(db, customer_id, line_id)
    return {  # tau2 shows the numbers of such an answer as text
        "line_id": line_id,
        "data_used_gb": str(line["data_used_gb"]),
        "data_limit_gb": str(find_plan(db, line["plan_id"])["data_limit_gb"]),
        "data_refueling_gb": str(line["data_refueling_gb"]),
        "cycle_end_date": "2025-02-28",
    }


@TOOLS.write
def enable_roaming(db: Draft, customer_id: str, line_id: str) -> str:
    """Allow a line to be used abroad.

    Args:
        customer_id: The customer who owns the line.
        line_id: The line.
    """
    return _set_roaming(db, customer_id, line_id, True)


@TOOLS.write
def disable_roaming(db: Draft, customer_id: str, line_id: str) -> str:
    """Stop a line from being used abroad.

    Args:
        customer_id: The customer who owns the line.
        line_id: The line.
    """
    return _set_roaming(db, customer_id, line_id, False)


TOOLS.generic(transfer_to_human_agents)


@TOOLS.write
def refuel_data(db: Draft, customer_id: str, line_id: str, gb_amount: float) -> Row:
    """Add data to a line, at its plan's price for a gigabyte, charged with the next bill.

    Args:
        customer_id: The customer who owns the line.
        line_id: The line.
        gb_amount: How many gigabytes to add.
    """
    line = line_of(db, customer_id, line_id)
    if gb_amount <= 0:
        raise Refused("Refuel amount must be positive")
    price = find_plan(db, line["plan_id"])["data_refueling_price_per_gb"]
    cost, refueled = gb_amount * price, line["data_refueling_gb"] + gb_amount
    db.put("lines", line_id, {**line, "data_refueling_gb": refueled})
    charge(db, find_customer(db, customer_id), cost, f"Data refueling: {gb_amount} GB at ${price}/GB")
    return {
        "message": f"Successfully added {gb_amount} GB of data for line {line_id} for ${cost:.2f}",
        "new_data_refueling_gb": str(refueled),
        "charge": str(cost),
    }


def set_data_usage(db: Draft, customer_id: str, line_id: str, data_used_gb: float) -> str:
    """Say how much data a line has used."""
    db.put("lines", line_id, {**line_of(db, customer_id, line_id), "data_used_gb": data_used_gb})
    return f"Data usage set to {data_used_gb} GB for line {line_id}"


def suspend_line_for_overdue_bill(
    db: Draft, customer_id: str, line_id: str, new_bill_id: str, contract_ended: bool
) -> str:
    """Give a customer an overdue bill for last month, and suspend the line for it."""
    line = find_line(db, line_id)
    if line["status"] != "Active":
        raise Refused("Line must be active to suspend for unpaid bill")
    amount = find_plan(db, line["plan_id"])["price_per_month"]
    if amount <= 0:
        raise Refused("Amount must be positive for overdue bill")
    customer = find_customer(db, customer_id)
    if bills_of(db, customer, "Overdue"):
        raise Refused("Customer already has an overdue bill")
    bill = {
        "bill_id": new_bill_id,
        "customer_id": customer_id,
        "period_start": "2025-01-01",
        "period_end": "2025-01-31",
        "issue_date": "2025-01-01",
        "total_due": amount,
        "due_date": "2025-01-15",
        "line_items": [
            {"description": f"Charge for line {line_id}", "amount": amount, "date": TODAY, "item_type": "Charge"}
        ],
        "status": "Overdue",
    }
    add_bill(db, customer, bill)
    ended = {"contract_end_date": "2025-01-31"} if contract_ended else {}
    db.put("lines", line_id, {**line, "status": "Suspended", "suspension_start_date": TODAY, **ended})
    return f"Line {line_id} suspended for unpaid bill {new_bill_id}. Contract ended: {contract_ended}"


def assert_data_refueling_amount(db: Draft, customer_id: str, line_id: str, expected_amount: float) -> bool:
    """Whether so much data was added to a line."""
    return bool(abs(line_of(db, customer_id, line_id)["data_refueling_gb"] - expected_amount) < 1e-6)


def assert_line_status(db: Draft, customer_id: str, line_id: str, expected_status: str) -> bool:
    """Whether a line has a status."""
    return bool(line_of(db, customer_id, line_id)["status"] == expected_status)


def assert_overdue_bill_exists(db: Draft, customer_id: str, overdue_bill_id: str) -> bool:
    """Whether a customer has an overdue bill; refused, as in tau2, where not."""
    if overdue_bill_id not in find_customer(db, customer_id)["bill_ids"]:
        raise Refused(f"Overdue bill {overdue_bill_id} not found")
    if find_bill(db, overdue_bill_id)["status"] != "Overdue":
        raise Refused(f"Overdue bill {overdue_bill_id} is not overdue")
    return True


def assert_no_overdue_bill(db: Draft, overdue_bill_id: str) -> bool:
    """Whether a bill is paid, or does not exist."""
    bill = db.get("bills", overdue_bill_id)
    return bill is None or bool(bill["status"] == "Paid")


FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    **{("assistant", function.__name__): function for function in (
        set_data_usage, suspend_line_for_overdue_bill, assert_data_refueling_amount, assert_line_status,
        assert_overdue_bill_exists, assert_no_overdue_bill,
    )},
    **{("user", name): function for name, function in phone_scenes.FUNCTIONS.items()},
}  # fmt: skip


def sync(db: Draft) -> None:
    """Carry over what each side learns of the other's doing: after every call, as tau2 does.

    The phone feels whether its line is active, may roam and has data left; a payment request reaches it, and a payment
    reaches the company.
    """
    around = phone.surroundings(db)
    if around["phone_number"] is None:
        return
    line = line_with(db, around["phone_number"])
    limit = find_plan(db, line["plan_id"])["data_limit_gb"] + line["data_refueling_gb"]
    request = around["payment_request"]
    if request is not None and request["paid"]:
        db.put("bills", request["bill_id"], {**find_bill(db, request["bill_id"]), "status": "Paid"})
        request = None
    if request is None:
        waiting = bills_of(db, customer_with(db, line["phone_number"]), "Awaiting Payment")
        if waiting:
            bill = waiting[0]
            request = {"bill_id": bill["bill_id"], "amount_due": float(bill["total_due"]), "paid": False}
    phone.change_surroundings(
        db,
        line_active=line["status"] == "Active",
        roaming_allowed=line["roaming_enabled"],
        mobile_data_usage_exceeded=line["data_used_gb"] >= limit,
        payment_request=request,
    )


def keyed(tables: Mapping[str, Any]) -> dict[str, dict[str, Row]]:
    """Return the tables of a file, or of a task, with their rows by id: the file has lists, and one phone.

    Raises:
        KeyError: a row has no id.
        TypeError, AttributeError: something that should be an object or a list is none.
    """
    found: dict[str, dict[str, Row]] = {}
    for name, content in tables.items():
        if name in IDS:
            rows = found[name] = {}
            for row in content:
                rows.setdefault(row[IDS[name]], row)  # of two with one id, tau2 finds the first
        elif name == "phone_number_aliases":
            found[name] = {alias: {"phone_number": number} for alias, number in content.items()}
        else:
            found[name] = {name.removeprefix("user:"): dict(content.items())}
    return found


def completed(tables: Mapping[str, Any]) -> dict[str, dict[str, Row]]:
    """Return the tables of the files with all that these may leave out.

    Raises:
        KeyError: a row has no id.
        TypeError, AttributeError: something that should be an object or a list is none.
    """
    found = keyed({phone.DEVICE: {}, phone.SURROUNDINGS: {}, **tables})
    for name, defaults in carrier.DEFAULTS.items():
        if name in found:
            found[name] = {key: {**defaults, **row} for key, row in found[name].items()}
    found[phone.DEVICE]["device"] = phone.device_of(found[phone.DEVICE]["device"])
    found[phone.SURROUNDINGS]["surroundings"] = phone.surroundings_of(found[phone.SURROUNDINGS]["surroundings"])
    return found


def manual(place: Path, solo: bool) -> dict[str, Path]:
    """Return the files of the policy; the manual of technical support is the same with a customer and without."""
    return {"main_policy": _main_policy(place, solo), "tech_support_policy": place / "tech_support_manual.md"}


def workflow(place: Path, solo: bool) -> dict[str, Path]:
    """Return the files of the policy whose technical support is a workflow."""
    steps = place / f"tech_support_workflow{'_solo' if solo else ''}.md"
    return {"main_policy": _main_policy(place, solo), "tech_support_policy": steps}


def _main_policy(place: Path, solo: bool) -> Path:
    return place / f"main_policy{'_solo' if solo else ''}.md"


def _set_roaming(db: Draft, customer_id: str, line_id: str, enabled: bool) -> str:
    line = line_of(db, customer_id, line_id)
    word = "enabled" if enabled else "disabled"
    if bool(line["roaming_enabled"]) is enabled:
        return f"Roaming was already {word}"
    db.put("lines", line_id, {**line, "roaming_enabled": enabled})
    return f"Roaming {word} successfully"


IDS = carrier.IDS
_FINDERS: Mapping[str, Callable[[Draft, str], Row]] = {
    "L": find_line, "D": find_device, "B": find_bill, "C": find_customer, "P": find_plan
}  # fmt: skip
