"""WebShop's pages as lists of nodes, and the four ways to show them: text, rich text, HTML and address."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from html import escape
from typing import Literal, NamedTuple

from credit_gym.envs.webshop import remembered
from credit_gym.envs.webshop.records import Product

Kind = Literal["text", "hidden", "button", "link", "option", "field"]

SEPARATOR = " [SEP] "
SEARCH, HOME, PREVIOUS, NEXT, BUY = "Search", "Back to Search", "< Prev", "Next >", "Buy Now"
DETAILS = ("Description", "Features", "Reviews", "Attributes")
PAGE_SIZE = 10
BASE_URL = "http://127.0.0.1:3000"

_SPACE = " \t\n\f\r"  # what HTML calls white space; a no-break space is none


class Node(NamedTuple):
    """A piece of a page: its role, its text, and for an option the name that it belongs to."""

    kind: Kind
    text: str
    name: str = ""


def heading(instruction: str) -> tuple[Node, ...]:
    """Every page but the last begins with what is to be bought."""
    return Node("text", "Instruction:"), Node("text", instruction)


START = (Node("field", ""), Node("button", SEARCH))
"""The start page, below its title and the instruction."""


def results_page(products: Sequence[Product], number: int, total: int, *, more: bool) -> tuple[Node, ...]:
    """A page of search results: ``products`` of ``total``; ``more`` says whether the next page can be asked for."""
    nodes = [Node("button", HOME), Node("text", f"Page {number} (Total results: {total})")]
    if number > 1:
        nodes.append(Node("button", PREVIOUS))
    if more:
        nodes.append(Node("button", NEXT))
    for product in products:
        nodes += _entry(product)
    return tuple(nodes)


@lru_cache(remembered.PAGES)
def _entry(product: Product) -> tuple[Node, ...]:
    """A product among the results; most are found again and again."""
    return Node("link", product.asin), Node("text", product.title), Node("text", product.price_tag)


def item_page(product: Product, *, attributes: bool) -> tuple[Node, ...]:
    """The page of a product; ``attributes`` adds the button that tells its attributes."""
    nodes = [Node("button", HOME), Node("button", PREVIOUS)]
    for name, values in product.options:
        nodes.append(Node("text", name))
        nodes += (Node("option", value, name) for value in values)
    nodes += Node("text", product.title), Node("text", f"Price: {product.price_tag}"), Node("text", "Rating: N.A.")
    nodes += (Node("button", name) for name in (DETAILS if attributes else DETAILS[:-1]))
    return (*nodes, Node("button", BUY))


def detail_page(product: Product, name: str) -> tuple[Node, ...]:
    """One of the four pages behind a product's; there are no reviews in WebShop's data."""
    return Node("button", HOME), Node("button", PREVIOUS), *(Node("text", text) for text in _DETAILS[name](product))


_DETAILS: dict[str, Callable[[Product], Iterable[str]]] = {
    "Description": lambda product: (product.description,),
    "Features": lambda product: product.features,
    "Reviews": lambda product: (),
    "Attributes": lambda product: (*product.attributes, product.category, product.query, product.product_category),
}


def done_page(product: Product, options: dict[str, str], reward: float | None) -> tuple[Node, ...]:
    """The last page: what was bought. The published page also tells the score, in a block that browsers do not show.

    Args:
        product: what was bought.
        options: the chosen options.
        reward: the score to tell, None to leave that block out.
    """
    nodes = [Node("text", "Thank you for shopping with us!")]
    bought = [Node("hidden", text) for text in ("Purchased", "asin", product.asin, "options", _embedded(options))]
    if reward is None:
        return (*nodes, *(node._replace(kind="text") for node in bought))
    code = (Node("text", text) for text in ("Your code:", "None", "(Paste it in your MTurk interface.)"))
    score = (f"{reward!r}" if text == "{reward}" else text for text in _REPORT)
    return (*nodes, *code, *bought, *(Node("hidden", text) for text in score))


_REPORT = (
    "attrs", "None", "category", "None", "query", "None", "product category", "None", "Target", "asin", "options",
    "attrs", "price upper", "instuction text", "category", "product category", "query", "Goal", "None", "Reward",
    "Your score (min 0.0, max 1.0)", "{reward}", "Reward Details", "None",
)  # fmt: skip
"""Word for word, the misspelling included."""


def show_text(nodes: Iterable[Node]) -> str:
    """Return a page as its texts, stripped, with ``[SEP]`` between them."""
    return SEPARATOR.join(text.strip() for text in map(_visible, nodes) if text is not None)


def show_rich(nodes: Iterable[Node], url: str, visited: Collection[str]) -> str:
    """Return a page as one text a line, what can be clicked in brackets.

    Args:
        nodes: the page.
        url: its address: an option counts as clicked if it occurs there in double quotes, as published.
        visited: ids of the products that were opened since the search began.
    """
    clicked, lines = "", []
    for node in nodes:
        text = _visible(node)
        if text is None:
            continue
        if node.kind == "button":
            lines.append(f"[button] {text} [button_]\n")
        elif node.kind == "link":
            state = "clicked button" if text in visited else "button"
            lines.append(f"\n[{state}] {text} [{state}_]\n")
        elif node.kind == "option" and f'"{text}"' in url:
            clicked = f"You have clicked {text}.\n{clicked}"
            lines.append(f"  [clicked button] {text} [clicked button_]\n")
        elif node.kind == "option":
            lines.append(f"  [button] {text} [button_]\n")
        else:
            lines.append(f"{text}\n")
    return clicked + "".join(lines)


def show_html(nodes: Iterable[Node], title: str) -> str:
    """Return a page as HTML whose texts, buttons, links and radio buttons are those of the other modes."""
    body = "\n".join(_TAGS[node.kind](escape(node.text), escape(node.name)) for node in nodes)
    return f"<!DOCTYPE html>\n<html>\n<head><title>{escape(title)}</title></head>\n<body>\n{body}\n</body>\n</html>\n"


_TAGS: dict[Kind, Callable[[str, str], str]] = {
    "text": lambda text, name: f"<p>{text}</p>",
    "hidden": lambda text, name: f'<div style="display:none">{text}</div>',
    "button": lambda text, name: f'<button class="btn">{text}</button>',
    "link": lambda text, name: f'<a class="product-link" href="#">{text}</a>',
    "option": lambda text, name: f'<input type="radio" name="{name}" value="{text}"><label>{text}</label>',
    "field": lambda text, name: '<input id="search_input" name="search_query">',
}


def _visible(node: Node) -> str | None:
    """What an HTML parser makes of a text: blanks become one, or nothing if there is a line break among them."""
    text = node.text
    if text.strip(_SPACE):
        return text
    return " " if text and "\n" not in text else None


def _embedded(options: dict[str, str]) -> str:
    """JSON that is safe inside HTML."""
    text = json.dumps(options, sort_keys=True)
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&'"})
