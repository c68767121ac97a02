"""How many answers WebShop remembers: memory comes to an end however many tasks, products and queries there are.

Random walks over all goals ask again and again for what hangs on a product alone, and seldom twice for the worth of a
state. Against sizes of 8192 throughout, walks keep nine tenths of their speed, and memory grows by a quarter less.
"""

PAGES = 1 << 11
"""Pages of results, pages of products, answers of the search engine: up to 5 kB each, and dear to make anew."""

DETAILS = 1 << 10
"""Further pages of products: about 1 kB each, seldom opened twice, and cheap."""

OUTLOOKS = 1 << 11
"""Worths of states, and what a product brings to a task: about 500 bytes each."""

HURRIED = 1 << 9
"""Worths of states near the limit: almost only replays come there again, and soon."""

JUDGED = 1 << 13
"""What a task may make of a product, and what of an option: 200 to 500 bytes each, asked several times a step."""

RANKED = 1 << 12
"""The best products of a search for a task: about 500 bytes each, dear since every product found is judged."""

TEXTS = 1 << 14
"""What texts of the catalogue have in common, their words and colours: 80 to 400 bytes each, often asked for."""

LONGEST_QUERY = 200
"""Characters of a query of which anything is remembered; of longer ones only the last."""
