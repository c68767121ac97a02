"""Orders for shares, placed from accounts that hold cash and shares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from credit_gym.envs.function_calls.embedded import words
from credit_gym.envs.function_calls.embedded.back_end import (
    Answer,
    BackEnd,
    Table,
    between,
    cents,
    changes,
    put,
    reads,
    row_of,
    shown,
)
from credit_gym.envs.tool_arguments import Refused

_MOST_SHARES = 1_000_000


class Brokerage(BackEnd):
    """Accounts with a broker. What an open order pays or sells is set aside until it is cancelled.

    Attributes:
        accounts: number -> ``name``, ``cash`` and ``shares`` (symbol -> how many).
        stocks: symbol -> ``company`` and ``price``.
        orders: number -> ``account``, ``symbol``, ``side``, ``shares``, ``price`` and ``status``.
        watched: symbols, sorted.
        next_order: the number of the next order.
    """

    accounts: Table
    stocks: Table
    orders: Table
    watched: list[str]
    next_order: int

    def load(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:
        """See :class:`BackEnd`."""
        self.accounts = {**(_dormant() if long_context else {}), **scenario.get("accounts", {})}
        self.stocks = {**(_exchange() if long_context else {}), **scenario.get("stocks", {})}
        self.orders = scenario.get("orders", {})
        self.watched = sorted(scenario.get("watched", ()))
        self.next_order = scenario.get("next_order", 1)

    @reads
    def list_accounts(self) -> Answer:
        """List the numbers and names of your accounts."""
        return {"accounts": [{"account": int(key), "name": row["name"]} for key, row in self.accounts.items()]}

    @reads
    def get_account(self, account: int) -> Answer:
        """Look at the cash and the shares of an account.

        Args:
            account: The number of the account.
        """
        return {"account": account, **row_of(self.accounts, account, "account")}

    @reads
    def find_symbol(self, company: str) -> Answer:
        """Find the symbol of a company's stock.

        Args:
            company: The full name of the company.
        """
        wanted = company.lower()
        found = next((symbol for symbol, row in self.stocks.items() if row["company"].lower() == wanted), None)
        if found is None:
            raise Refused(f"There is no company {shown(company)}; give its full name.")
        return {"symbol": found}

    @reads
    def get_price(self, symbol: str) -> Answer:
        """Get the price of a share.

        Args:
            symbol: The symbol, as 'ABC'.
        """
        return {"symbol": symbol, "price": row_of(self.stocks, symbol, "stock")["price"]}

    @reads
    def get_order(self, order_id: int) -> Answer:
        """Look at an order.

        Args:
            order_id: The number of the order.
        """
        return {"order_id": order_id, **row_of(self.orders, order_id, "order")}

    @reads
    def list_orders(self) -> Answer:
        """List all orders, the oldest first."""
        return {"orders": [{"order_id": int(key), **row} for key, row in self.orders.items()]}

    @changes
    def place_order(self, account: int, symbol: str, side: Literal["buy", "sell"], shares: int) -> Answer:
        """Place an order at the price of now.

        Args:
            account: The number of the account.
            symbol: The symbol, as 'ABC'.
            side: Whether shares are bought or sold.
            shares: How many.
        """
        row = row_of(self.accounts, account, "account")
        price = row_of(self.stocks, symbol, "stock")["price"]
        between(shares, 1, _MOST_SHARES, "number of shares")
        number = self.next_order
        order = {
            "account": account, "symbol": symbol, "side": side, "shares": shares, "price": price, "status": "open"
        }  # fmt: skip
        orders = put(self.orders, number, order)
        self.accounts = put(self.accounts, account, _moved(row, order, -1))
        self.orders, self.next_order = orders, number + 1
        return {"order_id": number, "total": cents(shares * price)}

    @changes
    def cancel_order(self, order_id: int) -> Answer:
        """Cancel an open order; what was set aside comes back to its account.

        Args:
            order_id: The number of the order.
        """
        order = row_of(self.orders, order_id, "order")
        if order["status"] != "open":
            raise Refused(f"Order {order_id} is {order['status']} and cannot be cancelled.")
        row = row_of(self.accounts, order["account"], "account")
        self.accounts = put(self.accounts, order["account"], _moved(row, order, 1))
        self.orders = put(self.orders, order_id, {**order, "status": "cancelled"})
        return {"order_id": order_id, "status": "cancelled"}

    @changes
    def transfer_cash(self, source: int, destination: int, amount: float) -> Answer:
        """Move cash from one of your accounts to another.

        Args:
            source: The number of the account that pays.
            destination: The number of the account that receives.
            amount: How much, exact to the cent.
        """
        giver, taker = row_of(self.accounts, source, "account"), row_of(self.accounts, destination, "account")
        moved = cents(amount)
        if source == destination or not 0 < moved <= giver["cash"]:
            raise Refused(f"Account {source} has {giver['cash']} and pays another account no more than that.")
        poorer = put(self.accounts, source, {**giver, "cash": cents(giver["cash"] - moved)})
        self.accounts = put(poorer, destination, {**taker, "cash": cents(taker["cash"] + moved)})
        return {"source_cash": cents(giver["cash"] - moved), "destination_cash": cents(taker["cash"] + moved)}

    @changes
    def watch_stock(self, symbol: str) -> Answer:
        """Put a stock on the watch list.

        Args:
            symbol: The symbol, as 'ABC'.
        """
        row_of(self.stocks, symbol, "stock")
        if symbol in self.watched:
            raise Refused(f"{shown(symbol)} is watched already.")
        self.watched = sorted([*self.watched, symbol])
        return {"symbol": symbol, "watched": True}

    @changes
    def unwatch_stock(self, symbol: str) -> Answer:
        """Take a stock off the watch list.

        Args:
            symbol: The symbol, as 'ABC'.
        """
        if symbol not in self.watched:
            raise Refused(f"{shown(symbol)} is not watched.")
        self.watched = [each for each in self.watched if each != symbol]
        return {"symbol": symbol, "watched": False}


def _moved(account: Mapping[str, Any], order: Mapping[str, Any], sign: int) -> dict[str, Any]:
    """An account after an order has set something aside (``sign`` -1) or given it back (1)."""
    if order["side"] == "buy":
        cash = cents(account["cash"] + sign * order["shares"] * order["price"])
        if cash < 0:
            raise Refused(f"The account {account['name']!r} has only {account['cash']} in cash.")
        return {**account, "cash": cash}
    left = account["shares"].get(order["symbol"], 0) + sign * order["shares"]
    if left < 0:
        raise Refused(f"The account {account['name']!r} has fewer shares of {order['symbol']} than that.")
    return {**account, "shares": put(account["shares"], order["symbol"], left)}


@cache
def _dormant() -> Table:
    """Accounts that nobody asks for."""
    return {str(5000 + n): {"name": f"client {n:03d}", "cash": 100.0 * n, "shares": {}} for n in range(40)}


@cache
def _exchange() -> Table:
    """Companies that nobody asks for."""
    names = [f"{one} {other}" for one in words.FIRM_FIRST for other in words.FIRM_LAST]
    return {f"X{n:03d}": {"company": name, "price": 10 + 7 * n % 90 + 0.5} for n, name in enumerate(names)}
