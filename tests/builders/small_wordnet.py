"""A WordNet of a few synsets, written in the format of its database files."""

from __future__ import annotations

from pathlib import Path

from credit_gym.envs.information.wordnet import FILES

Rows = list[tuple[str, str, list[str], list[str], str]]

ROWS: Rows = [  # key, lexicographer file, words, keys above (with @i for an instance), gloss
    ("entity", "Tops", ["entity"], [], "that which exists"),
    ("object", "Tops", ["object"], ["entity"], "a tangible entity"),
    ("abstraction", "Tops", ["abstraction"], ["entity"], "a general concept"),
    ("animal", "Tops", ["animal", "beast"], ["object"], "a living organism that moves"),
    ("mammal", "animal", ["mammal"], ["animal"], "any warm-blooded vertebrate that suckles its young"),
    ("bat", "animal", ["bat", "chiropteran"], ["mammal"], "nocturnal mouselike mammal"),
    ("dog", "animal", ["dog", "domestic_dog"], ["mammal"], "a domesticated carnivore"),
    ("poodle", "animal", ["poodle", "poodle_dog"], ["dog"], "an intelligent dog with a curly coat"),
    ("collie", "animal", ["collie"], ["dog"], "a silky-coated sheep dog"),
    ("person", "Tops", ["person", "somebody"], ["object"], "a human being"),
    ("lawyer", "person", ["lawyer", "attorney"], ["person"], "a professional person who practises law"),
    ("crane1", "person", ["Crane"], ["person@i"], "United States writer"),
    ("crane2", "animal", ["crane"], ["animal"], "large long-necked wading bird"),
    ("artifact", "Tops", ["artifact"], ["object"], "a man-made object"),
    ("table1", "group", ["table"], ["abstraction"], "a set of data in rows"),
    ("table2", "artifact", ["table"], ["artifact"], "a piece of wooden furniture"),
    ("kettle", "artifact", ["kettle", "boiler"], ["artifact"], "a metal pot for stewing"),
    ("light_year", "quantity", ["light_year"], ["abstraction"], "the distance that light travels in a year"),
    ("feeling", "Tops", ["feeling"], ["abstraction"], "the experiencing of affective states"),
    ("ambition", "feeling", ["ambition"], ["feeling"], "a strong drive for success"),
]


def write_wordnet(folder: Path, rows: Rows = ROWS) -> Path:
    """Write the files and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["  1 a line of the licence"]
    at, offsets = len(lines[0]) + 1, {}
    for key, file, words, above, gloss in rows:
        offsets[key] = at
        at += len(_line(0, file, words, [(0, "@")] * len(above), [name.endswith("@i") for name in above], gloss)) + 1
    for key, file, words, above, gloss in rows:
        pointers = [(offsets[name.removesuffix("@i")], "@i" if name.endswith("@i") else "@") for name in above]
        lines.append(_line(offsets[key], file, words, pointers, [symbol == "@i" for _, symbol in pointers], gloss))
    (folder / "data.noun").write_text("\n".join(lines) + "\n")
    senses: dict[str, list[int]] = {}
    for key, _, words, _, _ in rows:
        for word in words:
            senses.setdefault(word.lower(), []).append(offsets[key])
    index = [
        f"{word} n {len(found)} 1 @ {len(found)} 0 {' '.join(f'{offset:08d}' for offset in found)}  "
        for word, found in sorted(senses.items(), key=lambda item: item[0].encode() + b" ")
    ]
    (folder / "index.noun").write_text("\n".join(["  1 a line of the licence", *index]) + "\n")
    (folder / "noun.exc").write_text("wolves wolf\n")
    return folder


def _line(
    offset: int, file: str, words: list[str], pointers: list[tuple[int, str]], instance: list[bool], gloss: str
) -> str:
    named = " ".join(f"{word} 0" for word in words)
    shown = "".join(
        f"{'@i' if one else '@'} {target:08d} n 0000 " for (target, _), one in zip(pointers, instance, strict=True)
    )
    return (
        f"{offset:08d} {FILES.index(file):02d} n {len(words):02x} {named} {len(pointers):03d} {shown}| "
        f'{gloss}; "an example"  '
    )
