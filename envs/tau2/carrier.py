"""What the telephone company's tools rest on: plans, customers, their lines, bills and devices."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypedDict

from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.lookup import find_row
from credit_gym.envs.tau2.toolkit import Refused

TODAY = "2025-02-25"
"""The day of every conversation."""


class Plan(TypedDict):
    """A plan as tau2 shows it."""

    plan_id: str
    name: str
    data_limit_gb: float
    price_per_month: float
    data_refueling_price_per_gb: float


class Address(TypedDict):
    """Where bills go."""

    street: str
    city: str
    state: str
    zip_code: str


class PaymentMethod(TypedDict):
    """What a customer pays with."""

    method_type: str
    account_number_last_4: str
    expiration_date: str


class Customer(TypedDict):
    """A customer as tau2 shows one."""

    customer_id: str
    full_name: str
    date_of_birth: str
    email: str
    phone_number: str
    address: Address
    account_status: str
    payment_methods: list[PaymentMethod]
    line_ids: list[str]
    bill_ids: list[str]
    created_at: datetime.datetime
    last_extension_date: datetime.date | None
    goodwill_credit_used_this_year: float


class Line(TypedDict):
    """A line as tau2 shows it."""

    line_id: str
    phone_number: str
    status: str
    plan_id: str
    device_id: str | None
    data_used_gb: float
    data_refueling_gb: float
    roaming_enabled: bool
    contract_end_date: datetime.date | None
    last_plan_change_date: datetime.date | None
    last_sim_replacement_date: datetime.date | None
    suspension_start_date: datetime.date | None


class LineItem(TypedDict):
    """A position of a bill."""

    description: str
    amount: float
    date: datetime.date
    item_type: str


class Bill(TypedDict):
    """A bill as tau2 shows it."""

    bill_id: str
    customer_id: str
    period_start: datetime.date
    period_end: datetime.date
    issue_date: datetime.date
    total_due: float
    due_date: datetime.date
    line_items: list[LineItem]
    status: str


class Device(TypedDict):
    """A device as tau2 shows it."""

    device_id: str
    device_type: str
    model: str
    imei: str | None
    is_esim_capable: bool
    activated: bool
    activation_date: datetime.datetime | None
    last_esim_transfer_date: datetime.datetime | None


MODELS: Mapping[str, type] = {"plans": Plan, "customers": Customer, "lines": Line, "bills": Bill, "devices": Device}
"""Table -> what its rows look like."""

IDS: Mapping[str, str] = {
    "plans": "plan_id", "customers": "customer_id", "lines": "line_id", "bills": "bill_id", "devices": "device_id"
}  # fmt: skip
"""Table -> the field that its rows are told apart by; the file has lists."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "plans": {},
    "customers": {
        "account_status": "Pending Verification", "payment_methods": [], "line_ids": [], "bill_ids": [],
        "created_at": datetime.date(2025, 1, 1), "goodwill_credit_used_this_year": 0.0,
    },
    "lines": {
        "status": "Pending Activation", "data_used_gb": 0.0, "data_refueling_gb": 0.0, "roaming_enabled": False
    },
    "bills": {"line_items": [], "status": "Draft"},
    "devices": {"activated": False},
}  # fmt: skip
"""Table -> what a row has where its file leaves it out."""


def find_customer(db: Draft, customer_id: str) -> Row:
    """Return a customer; a wrong id is refused."""
    return find_row(db, "customers", customer_id, f"Customer with ID {customer_id} not found")


def find_line(db: Draft, line_id: str) -> Row:
    """Return a line; a wrong id is refused."""
    return find_row(db, "lines", line_id, f"Line with ID {line_id} not found")


def find_bill(db: Draft, bill_id: str) -> Row:
    """Return a bill; a wrong id is refused."""
    return find_row(db, "bills", bill_id, f"Bill with ID {bill_id} not found")


def find_plan(db: Draft, plan_id: str) -> Row:
    """Return a plan; a wrong id is refused."""
    return find_row(db, "plans", plan_id, f"Plan with ID {plan_id} not found")


def find_device(db: Draft, device_id: str) -> Row:
    """Return a device; a wrong id is refused."""
    return find_row(db, "devices", device_id, f"Device with ID {device_id} not found")


def line_of(db: Draft, customer_id: str, line_id: str) -> Row:
    """Return a line of a customer; one that is another's is refused."""
    if line_id not in find_customer(db, customer_id)["line_ids"]:
        raise Refused(f"Line {line_id} not found for customer {customer_id}")
    return find_line(db, line_id)


def line_with(db: Draft, phone_number: str) -> Row:
    """Return the line of a phone number, however it is written, or of the number that it stands for."""
    wanted = digits(phone_number)
    for alias, row in db.rows("phone_number_aliases"):
        if digits(alias) == wanted:
            wanted = digits(row["phone_number"])
            break
    for _, line in db.rows("lines"):
        if wanted and digits(line["phone_number"]) == wanted:
            return line
    raise Refused(f"Line with phone number {phone_number} not found")


def customer_with(db: Draft, phone_number: str) -> Row:
    """Return who has a phone number, as their own or as that of a line."""
    wanted = digits(phone_number)
    for _, customer in db.rows("customers") if wanted else ():
        if digits(customer["phone_number"]) == wanted:
            return customer
        if any(digits(find_line(db, key)["phone_number"]) == wanted for key in customer["line_ids"]):
            return customer
    raise Refused(f"Customer with phone number {phone_number} not found")


def bills_of(db: Draft, customer: Row, status: str) -> list[Row]:
    """Return a customer's bills that have a status."""
    bills = [find_bill(db, key) for key in customer["bill_ids"]]
    return [bill for bill in bills if bill["status"] == status]


def digits(phone_number: str) -> str:
    """Return a phone number without what it is written with."""
    return "".join(character for character in phone_number if character.isdigit())


def charge(db: Draft, customer: Row, amount: float, description: str) -> None:
    """Put a charge on a customer's next bill, the first that is a draft, or a new one.

    tau2 gives the new one a random id; here it follows from the customer, so that the same calls leave the same rows.
    """
    drafts = bills_of(db, customer, "Draft")
    bill = drafts[0] if drafts else _next_bill(db, customer)
    item = {"description": description, "amount": float(amount), "date": TODAY, "item_type": "Charge"}
    total = bill["total_due"] + amount
    db.put("bills", bill["bill_id"], {**bill, "total_due": total, "line_items": [*bill["line_items"], item]})


def add_bill(db: Draft, customer: Row, bill: Row) -> None:
    """Give a customer a bill."""
    db.put("bills", bill["bill_id"], bill)
    db.put("customers", customer["customer_id"], {**customer, "bill_ids": [*customer["bill_ids"], bill["bill_id"]]})


def _next_bill(db: Draft, customer: Row) -> Row:
    number = len(customer["bill_ids"]) + 1
    bill = {
        "bill_id": f"B{customer['customer_id']}-{number}",
        "customer_id": customer["customer_id"],
        "period_start": "2025-03-01",
        "period_end": "2025-03-31",
        "issue_date": "2025-03-01",
        "total_due": 0.0,
        "due_date": "2025-03-15",
        "line_items": [],
        "status": "Draft",
    }
    add_bill(db, customer, bill)
    return bill
