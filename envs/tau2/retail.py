"""The tools of tau2's retail domain: orders, products and users, by the published rules.

Two sets of tools share all but one: :data:`TOOLS`, and :data:`UPSTREAM_TOOLS`, in which ``modify_pending_order_items``
gives every modified item the price and options of the last one and leaves the difference unrounded, as tau2 1.0.1 does.
"""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from credit_gym.envs.tau2.arithmetic import calculate
from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.handover import transfer_to_human_agents
from credit_gym.envs.tau2.lookup import folded
from credit_gym.envs.tau2.models import arranged
from credit_gym.envs.tau2.orders import (
    MODELS,
    address_of,
    balance,
    check_items,
    credit,
    find_method,
    find_order,
    find_product,
    find_user,
    pair_items,
)
from credit_gym.envs.tau2.toolkit import Refused, Toolkit

TOOLS = Toolkit()
IDENTIFY = frozenset(("find_user_id_by_email", "find_user_id_by_name_zip"))
REASONS = ("no longer needed", "ordered by mistake")


def complete(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Row]]:
    """Return the published tables as tau2's models show them; what only later calls fill in an order is null."""
    return arranged(rows, MODELS)


@TOOLS.read
def find_user_id_by_email(db: Draft, email: str) -> str:
    """Find a user id by email.

    Args:
        email: The email of the user, such as 'something@example.com'.
    """
    wanted = folded(email)
    for user_id, user in db.rows("users"):
        if folded(user["email"]) == wanted:
            return user_id
    raise Refused("User not found")


@TOOLS.read
def find_user_id_by_name_zip(db: Draft, first_name: str, last_name: str, zip: str) -> str:
    """Find a user id by first name, last name and zip code, when the email is not known.

    Args:
        first_name: The first name of the customer, such as 'John'.
        last_name: The last name of the customer, such as 'Doe'.
        zip: The zip code of the customer, such as '12345'.
    """
    wanted = (folded(first_name), folded(last_name))
    for user_id, user in db.rows("users"):
        if user["address"]["zip"] == zip:
            name = user["name"]
            if (folded(name["first_name"]), folded(name["last_name"])) == wanted:
                return user_id
    raise Refused("User not found")


@TOOLS.read
def get_user_details(db: Draft, user_id: str) -> Row:
    """Get the details of a user, including their orders and payment methods.

    Args:
        user_id: The user id, such as 'sara_doe_496'.
    """
    return find_user(db, user_id)


@TOOLS.read
def get_order_details(db: Draft, order_id: str) -> Row:
    """Get the status and details of an order.

    Args:
        order_id: The order id with its '#', such as '#W0000000'.
    """
    return find_order(db, order_id)


@TOOLS.read
def get_product_details(db: Draft, product_id: str) -> Row:
    """Get the inventory of a product: all its variants.

    Args:
        product_id: The product id, which is not an item id, such as '6086499569'.
    """
    return find_product(db, product_id)


@TOOLS.read
def get_item_details(db: Draft, item_id: str) -> Row:
    """Get the inventory of one variant of a product.

    Args:
        item_id: The item id, which is not a product id, such as '6086499569'.
    """
    for _, product in db.rows("products"):
        if item_id in product["variants"]:
            variant: Row = product["variants"][item_id]
            return variant
    raise Refused("Item not found")


@TOOLS.read
def list_all_product_types(db: Draft) -> str:
    """List the name and product id of all product types."""
    return json.dumps({row["name"]: row["product_id"] for _, row in db.rows("products")}, sort_keys=True)


@TOOLS.write
def cancel_pending_order(db: Draft, order_id: str, reason: str) -> Row:
    """Cancel a pending order after the user has confirmed it; gift cards are refunded at once.

    Args:
        order_id: The order id with its '#', such as '#W0000000'.
        reason: Either 'no longer needed' or 'ordered by mistake'.
    """
    order = find_order(db, order_id)
    if order["status"] != "pending":
        raise Refused("Non-pending order cannot be cancelled")
    if reason not in REASONS:
        raise Refused("Invalid reason")
    refunds = []
    for payment in order["payment_history"]:
        method = payment["payment_method_id"]
        refunds.append({"transaction_type": "refund", "amount": payment["amount"], "payment_method_id": method})
        credit(db, order["user_id"], method, payment["amount"])
    history = [*order["payment_history"], *refunds]
    return db.put(
        "orders", order_id, {**order, "status": "cancelled", "cancel_reason": reason, "payment_history": history}
    )


@TOOLS.write
def exchange_delivered_order_items(
    db: Draft, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Row:
    """Exchange items of a delivered order, once, for items of the same products, after the user has confirmed it.

    Args:
        order_id: The order id with its '#', such as '#W0000000'.
        item_ids: The items to be exchanged; an item may stand there twice.
        new_item_ids: What each is exchanged for, in the same order.
        payment_method_id: How the difference is paid or refunded, such as 'credit_card_0000000'.
    """
    order = find_order(db, order_id)
    if order["status"] != "delivered":
        raise Refused("Non-delivered order cannot be exchanged")
    check_items(order, item_ids, "Number of {} not found.")
    if len(item_ids) != len(new_item_ids):
        raise Refused("The number of items to be exchanged should match.")
    difference = round(
        sum(new["price"] - old["price"] for old, new in pair_items(db, order, item_ids, new_item_ids)), 2
    )
    if balance(find_method(db, order["user_id"], payment_method_id), difference) < difference:
        raise Refused("Insufficient gift card balance to pay for the price difference")
    changes = {
        "status": "exchange requested",
        "exchange_items": sorted(item_ids),
        "exchange_new_items": sorted(new_item_ids),
        "exchange_payment_method_id": payment_method_id,
        "exchange_price_difference": difference,
    }
    return db.put("orders", order_id, {**order, **changes})


@TOOLS.write
def modify_pending_order_address(
    db: Draft, order_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Row:
    """Modify the shipping address of a pending order after the user has confirmed it.

    Args:
        order_id: The order id with its '#', such as '#W0000000'.
        address1: The first line of the address, such as '123 Main St'.
        address2: The second line of the address, such as 'Apt 1' or ''.
        city: The city, such as 'San Francisco'.
        state: The state, such as 'CA'.
        country: The country, such as 'USA'.
        zip: The zip code, such as '12345'.
    """
    order = find_order(db, order_id)
    if "pending" not in order["status"]:
        raise Refused("Non-pending order cannot be modified")
    return db.put("orders", order_id, {**order, "address": address_of(address1, address2, city, state, country, zip)})


@TOOLS.write
def modify_pending_order_items(
    db: Draft, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Row:
    """Modify items of a pending order, once, to items of the same products, after the user has confirmed it.

    Args:
        order_id: The order id with its '#', such as '#W0000000'.
        item_ids: The items to be modified; an item may stand there twice.
        new_item_ids: What each is modified to, in the same order.
        payment_method_id: How the difference is paid or refunded, such as 'credit_card_0000000'.
    """
    return _modify_items(db, order_id, item_ids, new_item_ids, payment_method_id, upstream=False)


@TOOLS.write
def modify_pending_order_payment(db: Draft, order_id: str, payment_method_id: str) -> Row:
    """Modify the payment method of a pending order after the user has confirmed it.

    Args:
        order_id: The order id with its '#', such as '#W0000000'.
        payment_method_id: The new payment method, such as 'gift_card_0000000'.
    """
    order = find_order(db, order_id)
    if "pending" not in order["status"]:
        raise Refused("Non-pending order cannot be modified")
    method = find_method(db, order["user_id"], payment_method_id)
    history = order["payment_history"]
    if len(history) != 1 or history[0]["transaction_type"] != "payment":
        raise Refused("There should be exactly one payment for a pending order")
    old, amount = history[0]["payment_method_id"], history[0]["amount"]
    if old == payment_method_id:
        raise Refused("The new payment method should be different from the current one")
    if balance(method, amount) < amount:
        raise Refused("Insufficient gift card balance to pay for the order")
    credit(db, order["user_id"], payment_method_id, -amount)
    credit(db, order["user_id"], old, amount)
    moved = [
        {"transaction_type": "payment", "amount": amount, "payment_method_id": payment_method_id},
        {"transaction_type": "refund", "amount": amount, "payment_method_id": old},
    ]
    return db.put("orders", order_id, {**order, "payment_history": [*history, *moved]})


@TOOLS.write
def modify_user_address(
    db: Draft, user_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Row:
    """Modify the default address of a user after the user has confirmed it.

    Args:
        user_id: The user id, such as 'sara_doe_496'.
        address1: The first line of the address, such as '123 Main St'.
        address2: The second line of the address, such as 'Apt 1' or ''.
        city: The city, such as 'San Francisco'.
        state: The state, such as 'CA'.
        country: The country, such as 'USA'.
        zip: The zip code, such as '12345'.
    """
    address = address_of(address1, address2, city, state, country, zip)
    return db.put("users", user_id, {**find_user(db, user_id), "address": address})


@TOOLS.write
def return_delivered_order_items(db: Draft, order_id: str, item_ids: list[str], payment_method_id: str) -> Row:
    """Return some items of a delivered order after the user has confirmed it.

    Args:
        order_id: The order id with its '#', such as '#W0000000'.
        item_ids: The items to be returned; an item may stand there twice.
        payment_method_id: Where the refund goes: the original payment method or a gift card.
    """
    order = find_order(db, order_id)
    if order["status"] != "delivered":
        raise Refused("Non-delivered order cannot be returned")
    method = find_method(db, order["user_id"], payment_method_id)
    if method["source"] != "gift_card" and payment_method_id != order["payment_history"][0]["payment_method_id"]:
        raise Refused("Payment method should be the original payment method")
    check_items(order, item_ids, "Some item not found")
    changes = {
        "status": "return requested",
        "return_items": sorted(item_ids),
        "return_payment_method_id": payment_method_id,
    }
    return db.put("orders", order_id, {**order, **changes})


TOOLS.generic(transfer_to_human_agents)
TOOLS.generic(calculate)


def _modify_items_upstream(
    db: Draft, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Row:
    return _modify_items(db, order_id, item_ids, new_item_ids, payment_method_id, upstream=True)


def _modify_items(
    db: Draft, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str, *, upstream: bool
) -> Row:
    order = find_order(db, order_id)
    if order["status"] != "pending":
        raise Refused("Non-pending order cannot be modified")
    check_items(order, item_ids, "{} not found")
    if len(item_ids) != len(new_item_ids):
        raise Refused("The number of items to be exchanged should match")
    if any(old == new for old, new in zip(item_ids, new_item_ids, strict=True)):
        raise Refused("The new item id should be different from the old item id")
    pairs = pair_items(db, order, item_ids, new_item_ids)
    difference = sum(new["price"] - old["price"] for old, new in pairs)
    if not upstream:
        difference = round(difference, 2)
    if balance(find_method(db, order["user_id"], payment_method_id), difference) < difference:
        raise Refused("Insufficient gift card balance to pay for the new item")
    credit(db, order["user_id"], payment_method_id, -difference)
    payment = {
        "transaction_type": "payment" if difference > 0 else "refund",
        "amount": float(abs(difference)),
        "payment_method_id": payment_method_id,
    }
    items = list(order["items"])
    for item_id, (_, variant) in zip(item_ids, pairs, strict=True):
        place = next(place for place, item in enumerate(items) if item["item_id"] == item_id)
        shown = pairs[-1][1] if upstream else variant
        items[place] = {
            **items[place], "item_id": variant["item_id"], "price": shown["price"], "options": shown["options"]
        }  # fmt: skip
    changes = {
        "items": items,
        "payment_history": [*order["payment_history"], payment],
        "status": "pending (item modified)",
    }
    return db.put("orders", order_id, {**order, **changes})


UPSTREAM_TOOLS = Toolkit(
    replace(tool, function=_modify_items_upstream) if tool.name == "modify_pending_order_items" else tool
    for tool in TOOLS.values()
)
