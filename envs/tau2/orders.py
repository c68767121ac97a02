"""What the shop's tools rest on: orders and their items, users, and what they pay with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.lookup import find_row
from credit_gym.envs.tau2.toolkit import Refused


class Variant(TypedDict):
    """One variant of a product."""

    item_id: str
    options: dict[str, str]
    available: bool
    price: float


class Product(TypedDict):
    """A product with its variants."""

    name: str
    product_id: str
    variants: dict[str, Variant]


class Name(TypedDict):
    """A user's name."""

    first_name: str
    last_name: str


class Address(TypedDict):
    """Where a user lives, or an order goes."""

    address1: str
    address2: str
    city: str
    country: str
    state: str
    zip: str


class PaymentMethod(TypedDict, total=False):
    """A credit card has a brand and digits, a gift card a balance."""

    source: str
    id: str
    brand: str
    last_four: str
    balance: float


class User(TypedDict):
    """A user as tau2 shows one."""

    user_id: str
    name: Name
    address: Address
    email: str
    payment_methods: dict[str, PaymentMethod]
    orders: list[str]


class Item(TypedDict):
    """An item of an order."""

    name: str
    product_id: str
    item_id: str
    price: float
    options: dict[str, str]


class Fulfilment(TypedDict):
    """A parcel."""

    tracking_id: list[str]
    item_ids: list[str]


class Payment(TypedDict):
    """A payment or refund."""

    transaction_type: str
    amount: float
    payment_method_id: str


class Order(TypedDict):
    """An order as tau2 shows it."""

    order_id: str
    user_id: str
    address: Address
    items: list[Item]
    status: str
    fulfillments: list[Fulfilment]
    payment_history: list[Payment]
    cancel_reason: str | None
    exchange_items: list[str] | None
    exchange_new_items: list[str] | None
    exchange_payment_method_id: str | None
    exchange_price_difference: float | None
    return_items: list[str] | None
    return_payment_method_id: str | None


MODELS: Mapping[str, type] = {"products": Product, "users": User, "orders": Order}
"""Table -> what its rows look like."""


def find_order(db: Draft, order_id: str) -> Row:
    """Return an order; a wrong id is refused."""
    return find_row(db, "orders", order_id, "Order not found")


def find_user(db: Draft, user_id: str) -> Row:
    """Return a user; a wrong id is refused."""
    return find_row(db, "users", user_id, "User not found")


def find_product(db: Draft, product_id: str) -> Row:
    """Return a product with its variants; a wrong id is refused."""
    return find_row(db, "products", product_id, "Product not found")


def find_method(db: Draft, user_id: str, payment_method_id: str) -> Row:
    """Return a payment method of a user; a wrong id is refused."""
    method: Row | None = find_user(db, user_id)["payment_methods"].get(payment_method_id)
    if method is None:
        raise Refused("Payment method not found")
    return method


def balance(method: Row, otherwise: float) -> float:
    """Return what a gift card holds; any other method can pay whatever is asked."""
    return float(method["balance"]) if method["source"] == "gift_card" else otherwise


def credit(db: Draft, user_id: str, payment_method_id: str, amount: float) -> None:
    """Add an amount to a gift card; other methods are settled elsewhere."""
    user, method = find_user(db, user_id), find_method(db, user_id, payment_method_id)
    if method["source"] == "gift_card":
        card = {**method, "balance": round(method["balance"] + amount, 2)}
        db.put("users", user_id, {**user, "payment_methods": {**user["payment_methods"], payment_method_id: card}})


def check_items(order: Row, item_ids: Sequence[str], refusal: str) -> None:
    """Refuse items that an order does not have, or not so often."""
    owned = [item["item_id"] for item in order["items"]]
    for item_id in item_ids:
        if item_ids.count(item_id) > owned.count(item_id):
            raise Refused(refusal.format(item_id))


def pair_items(db: Draft, order: Row, item_ids: Sequence[str], new_item_ids: Sequence[str]) -> list[tuple[Row, Row]]:
    """Return the item of the order and the available variant of the same product, for each position."""
    items = {item["item_id"]: item for item in reversed(order["items"])}
    pairs = []
    for item_id, new_item_id in zip(item_ids, new_item_ids, strict=True):
        variants = find_product(db, items[item_id]["product_id"])["variants"]
        if new_item_id not in variants:
            raise Refused("Variant not found")
        if not variants[new_item_id]["available"]:
            raise Refused(f"New item {new_item_id} not found or available")
        pairs.append((items[item_id], variants[new_item_id]))
    return pairs


def address_of(address1: str, address2: str, city: str, state: str, country: str, zip: str) -> Row:
    """Return an address as the database holds it."""
    return {
        "address1": address1, "address2": address2, "city": city, "country": country, "state": state, "zip": zip
    }  # fmt: skip
