"""The names that stories are made of; nobody and nothing of them exists."""

from __future__ import annotations

FIRST_NAMES = (
    "Agnes", "Bruno", "Carla", "Dana", "Elias", "Flora", "Goran", "Hilde", "Ivo", "Judith", "Kasimir", "Lena",
    "Marek", "Nadia", "Oskar", "Petra", "Quirin", "Rosa", "Stefan", "Thea", "Ulrich", "Vera", "Wanda", "Yannick",
)  # fmt: skip
LAST_NAMES = (
    "Albrecht", "Bergmann", "Czerny", "Dahlke", "Engel", "Falk", "Graber", "Hofer", "Imhof", "Jansen", "Kessler",
    "Lindner", "Moser", "Neubert", "Ostertag", "Pichler", "Rauch", "Seidel", "Thaler", "Ulbrich", "Vogl", "Winter",
)  # fmt: skip
TEAMS = ("Sales", "Legal", "Design", "Support", "Research", "Payroll")
HOUSES = (
    "Northwind", "Bluepeak", "Silverton", "Marlow", "Redfern", "Oakhurst", "Tidewater", "Larkspur", "Stonegate",
    "Brightwater", "Hawthorn", "Corvane", "Millbrook", "Fairmont", "Eastgate", "Wolfram",
)  # fmt: skip
TRADES = ("Foods", "Freight", "Energy", "Textiles", "Optics", "Timber", "Shipping", "Pharma", "Motors", "Paper")
CITIES = (
    "Aldenburg", "Brevik", "Calmora", "Dorsten", "Elvira", "Fontane", "Grimsund", "Halvors", "Istra", "Jorvik",
    "Kalden", "Lorana", "Mirel", "Norden", "Olsted", "Pavona", "Rodeby", "Sennwald", "Torvik", "Vasa",
)  # fmt: skip
FOLDERS = ("plans", "drafts", "shared", "office", "projects", "finance", "inbox", "team", "notes", "records")
SUBJECTS = (
    "autumn", "budget", "catering", "delivery", "exhibit", "fair", "garden", "harbour", "invoice", "jubilee",
    "kitchen", "launch", "museum", "network", "outing", "pension", "quarry", "retreat", "survey", "tender",
)  # fmt: skip
FAULTS = (
    "printer jams", "scanner is slow", "heating is off", "badge reader fails", "projector flickers", "phone is dead",
    "lift is stuck", "router drops out", "door alarm rings", "screen is cracked", "pump leaks", "lamp flickers",
)  # fmt: skip
PLACES = ("hall 1", "hall 2", "hall 3", "room 12", "room 21", "the foyer", "the annex", "the cellar", "the workshop")
ACCOUNTS = (("savings", "joint savings"), ("travel", "travel reserve"), ("everyday", "everyday old"))
CARDS = (("blue", "blue business"), ("gold", "gold family"), ("green", "green student"))

CROWD_FIRST = (
    "Abel", "Bodil", "Cyril", "Delia", "Edwin", "Freya", "Gustav", "Hattie", "Ingrid", "Jarvis", "Klara", "Lionel",
)  # fmt: skip
CROWD_LAST = (
    "Abbott", "Birch", "Coombe", "Drewe", "Elwood", "Frobisher", "Garside", "Hobday", "Ibbot", "Jessop", "Kettley",
)  # fmt: skip
FIRM_FIRST = (
    "Amber", "Beacon", "Cobalt", "Dune", "Ember", "Fathom", "Gable", "Heron", "Iron", "Juniper", "Kestrel", "Lichen",
)  # fmt: skip
FIRM_LAST = ("Adhesives", "Bearings", "Canning", "Dredging", "Enamels", "Felting", "Glazing", "Harness")
VILLAGE_FIRST = (
    "Ash", "Brook", "Chal", "Dun", "Elder", "Fern", "Green", "Hazel", "King", "Lang", "Mill", "North", "Oak", "Pen",
)  # fmt: skip
VILLAGE_LAST = ("bury", "combe", "dale", "field", "ford", "ham", "hurst", "leigh", "mere", "stow", "ton", "wick")
"""What stands in the back ends beside a story of the category ``long_context``."""
