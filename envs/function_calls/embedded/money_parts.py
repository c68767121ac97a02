"""Parts of stories about shares and cash."""

from __future__ import annotations

from collections.abc import Iterator

from credit_gym.envs.function_calls.embedded.scene import GAP, Part, Request, Scene


def buy_from_plan(scene: Scene) -> Iterator[Request | None]:
    """A file says what is bought and for how much; an older one of nearly the same name says otherwise."""
    company, twin = scene.companies(2)
    symbol, _ = scene.stock(company), scene.stock(twin)
    accounts = scene.accounts()
    folder, subject = scene.fresh("folder"), scene.fresh("subject")
    budget, other = scene.chance.sample(range(800, 2400, 10), 2)
    path = scene.file(folder, f"{subject}_plan.txt", f"Company: {company}\nBudget: {budget}")
    scene.file(folder, f"{subject}_plan_old.txt", f"Company: {twin}\nBudget: {other}")
    scene.use("Calculator")
    account = scene.one_of(*accounts)
    yield None
    scene.do("read_file", path=path)
    scene.do("find_symbol", company=company)
    price = scene.do("get_price", symbol=symbol)["price"]
    shares = int(scene.do("divide_down", number=budget, by=price)["result"])
    scene.look("list_accounts")
    order = scene.do("place_order", account=accounts[account], symbol=symbol, side="buy", shares=shares)["order_id"]
    yield Request(
        scene.one_of(
            f"The file {path} names a company and a budget. Buy as many whole shares of that company as the budget "
            f"pays for, let the calculator tell how many, and take the cash from {GAP}.",
            f"Please look into {path}: it has a company and a budget. I want as many whole shares of the company as "
            f"the budget allows, by the calculator, paid from {GAP}.",
            f"I wrote down a company and how much I want to spend on it in {path}. Work out with the calculator how "
            f"many whole shares that pays for, and order them from {GAP}.",
        ),
        f'the account "{account}"',
        "one of my accounts",
        f'Use the account "{account}".',
    )
    scene.do("append_line", path=path, line=f"Order {order}")
    yield Request(
        scene.one_of(
            f'Write the number of the {company} order into {path}, as a new line at the end of the form "Order 1".',
            f'Add a line to {path} that says "Order" and then the number of the {company} order, as in "Order 1".',
        )
    )
    scene.do("cancel_order", order_id=order)
    scene.do("watch_stock", symbol=symbol)
    yield Request(
        scene.one_of(
            f"I have changed my mind about {company}: cancel that order, and put the stock on my watch list instead.",
            f"Cancel the order for {company} after all, then add the stock to the watch list.",
        )
    )


def sell_shares(scene: Scene) -> Iterator[Request | None]:
    """Shares are sold from one of the accounts that hold them and no longer watched, and cash is moved on."""
    company, twin = scene.companies(2)
    symbol, wrong = scene.stock(company), scene.stock(twin)
    accounts = scene.accounts()
    account, other = scene.chance.sample(sorted(accounts), 2)
    shares = scene.chance.randint(6, 40)
    for name in (account, other):
        held = scene.world["Brokerage"]["accounts"][str(accounts[name])]["shares"]
        held.update({symbol: shares + 20, wrong: 60})
    scene.settle("Brokerage", watched=[])
    scene.world["Brokerage"]["watched"] += [symbol, wrong]
    amount = scene.chance.randint(12, 90) * 10
    yield None
    scene.do("find_symbol", company=company)
    scene.look("list_accounts")
    scene.do("place_order", account=accounts[account], symbol=symbol, side="sell", shares=shares)
    scene.do("unwatch_stock", symbol=symbol)
    yield Request(
        scene.one_of(
            f'Sell {GAP} shares of {company} from the account "{account}", and stop watching the stock.',
            f'I would like to part with {GAP} of the {company} shares in the account "{account}"; please place the '
            "order, and take the stock off the watch list.",
        ),
        str(shares),
        "some",
        f"{shares} of them.",
    )
    scene.do("transfer_cash", source=accounts[account], destination=accounts[other], amount=amount)
    yield Request(
        scene.one_of(
            f'Move {GAP} in cash from the account "{account}" to the account "{other}".',
            f'Now transfer {GAP} from "{account}" to "{other}".',
        ),
        f"{amount:.2f}",
        "some money",
        f"It should be {amount:.2f}.",
    )


def watch_the_cheaper(scene: Scene) -> Iterator[Request | None]:
    """Of two companies the one with the cheaper share is watched and bought, and then the other is watched, too."""
    first, second, _ = names = scene.companies(3)
    symbols = {name: scene.stock(name) for name in names}
    accounts = scene.accounts()
    account = scene.one_of(*accounts)
    rows = scene.world["Brokerage"]["stocks"]
    while rows[symbols[first]]["price"] == rows[symbols[second]]["price"]:
        rows[symbols[second]]["price"] += 0.25
    shares = scene.chance.randint(2, 9)
    yield None
    prices = {}
    for name in (first, second):
        scene.do("find_symbol", company=name)
        prices[name] = scene.do("get_price", symbol=symbols[name])["price"]
    cheaper = min(prices, key=prices.__getitem__)
    scene.do("watch_stock", symbol=symbols[cheaper])
    yield Request(
        scene.one_of(
            f"Compare the prices of a share of {first} and {GAP}, and put the cheaper one on my watch list.",
            f"Which is cheaper, a share of {first} or one of {GAP}? Add the cheaper one to the watch list.",
        ),
        second,
        "the other company I told you about",
        f"The other company is {second}.",
    )
    scene.look("list_accounts")
    scene.do("place_order", account=accounts[account], symbol=symbols[cheaper], side="buy", shares=shares)
    dearer = max(prices, key=prices.__getitem__)
    scene.do("watch_stock", symbol=symbols[dearer])
    yield Request(
        scene.one_of(
            f'Buy {GAP} of the cheaper of {first} and {second} from the account "{account}", and put the other one on '
            "the watch list as well.",
            f'Good. Of {first} and {second}, order {GAP} of the cheaper one with the account "{account}", then watch '
            "the dearer one, too.",
        ),
        f"{shares} shares",
        "a few shares",
        f"Make it {shares} shares.",
    )


def share_of_the_cash(scene: Scene) -> Iterator[Request | None]:
    """A percentage of an account's cash goes to another account."""
    accounts = scene.accounts()
    source, target = scene.chance.sample(sorted(accounts), 2)
    percent = scene.one_of(5, 10, 15, 20, 25)
    scene.use("Calculator")
    yield None
    scene.look("list_accounts")
    cash = scene.do("get_account", account=accounts[source])["cash"]
    amount = scene.do("percent_of", percent=percent, whole=cash)["result"]
    scene.do("transfer_cash", source=accounts[source], destination=accounts[target], amount=round(amount, 2))
    yield Request(
        scene.one_of(
            f'Work out with the calculator what {GAP} of the cash in the account "{source}" is, and move that to the '
            f'account "{target}".',
            f'See how much cash the account "{source}" has. Let the calculator take {GAP} of it, and transfer so much '
            f'to "{target}".',
        ),
        f"{percent} percent",
        "a share",
        f"I meant {percent} percent.",
    )


MONEY_PARTS: tuple[Part, ...] = (buy_from_plan, sell_shares, watch_the_cheaper, share_of_the_cash)
