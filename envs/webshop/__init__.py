"""credit/WebShop-v0: the rules of WebShop without its server, its browser and its Java search engine.

``env``, ``rules``, ``pages``                  the environment, where clicks and searches lead, how pages look
``goals``, ``reward``, ``fuzzy``, ``colours``  what is asked for, what a purchase earns, when texts count as the same
``progress``                                   how good a purchase is still within reach, and how to reach it
``search``, ``words``, ``stemmer``             Lucene's ranking, its words, their stems
``catalogue``, ``records``, ``streaming``      the products, from the published files
``remembered``                                 how many answers of all these are kept
``generate``                                   products invented here
``nouns``, ``tag``                             the nouns of titles, found once for the product file
``trials``                                     episodes in the layout of best-of-N scorers
"""
