"""Doors: these environments behind other people's interfaces. Each file is one of them, or what two of them share.

What a door needs of another package is imported where it opens; a missing one is named with its extra.
"""
