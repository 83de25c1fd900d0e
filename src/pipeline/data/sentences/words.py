"""The words of the grammar: for each factor its values, by name, and what each of them says.

Where a pair is given, the first is said with positive sentiment, the second with negative. All topics are of things that
need no article, and all determiners suit one thing and many: so no factor's words depend on another style factor's.
"""

from dataclasses import dataclass
from typing import NamedTuple

Words = tuple[str, ...]

SENTIMENTS = ("positive", "negative")
TENSES = ("past", "present", "future")
NEGATIONS = ("no", "yes")


class Subject(NamedTuple):
    """plural: whether the verb is, in the present, or where it is a form of be."""

    determiner: str
    noun: str
    plural: bool


SUBJECTS = {
    "waiter": Subject("the", "waiter", False),
    "sister": Subject("my", "sister", False),
    "student": Subject("this", "student", False),
    "guest": Subject("another", "guest", False),
    "teachers": Subject("the", "teachers", True),
    "neighbors": Subject("our", "neighbors", True),
    "pilots": Subject("both", "pilots", True),
    "nurses": Subject("some", "nurses", True),
}

MODIFIERS = ("none", "old", "young", "tall", "quiet", "rich", "busy", "foreign", "local", "famous")

# Said the same whatever the sentiment and the tense.
OPENINGS: dict[str, Words] = {
    "none": (),
    "sundays": ("on", "sundays"),
    "dinner": ("after", "dinner"),
    "noon": ("at", "noon"),
    "home": ("at", "home"),
}
DEICTIC = ("last", "this", "next")  # by tense, before one of these
PERIODS = ("summer", "week", "year")
COMMENTS = {
    "luck": ("luckily", "sadly"),
    "thanks": ("thankfully", "regrettably"),
    "fortune": ("fortunately", "unfortunately"),
}


@dataclass(frozen=True)
class Verb:
    """base: ("they") praise, third: ("she") praises, past: praised; rest: what always follows. A form of be has none of
    the three, and its rest is what is said with it ("proud", "of")."""

    base: str = ""
    third: str = ""
    past: str = ""
    rest: Words = ()

    @property
    def copular(self) -> bool:
        return not self.base


def regular(base: str) -> Verb:
    """A verb that takes -s and -ed, or -d after e."""
    return Verb(base, f"{base}s", f"{base}d" if base.endswith("e") else f"{base}ed")


def being(*rest: str) -> Verb:
    return Verb(rest=rest)


def speaking(*rest: str) -> Verb:
    return Verb("speak", "speaks", "spoke", rest)


def thinking(*rest: str) -> Verb:
    return Verb("think", "thinks", "thought", rest)


PREDICATES = {
    "praise": (regular("praise"), regular("criticize")),
    "love": (regular("love"), regular("hate")),
    "admire": (regular("admire"), regular("despise")),
    "enjoy": (regular("enjoy"), regular("dread")),
    "recommend": (regular("recommend"), regular("reject")),
    "adore": (regular("adore"), regular("detest")),
    "defend": (regular("defend"), regular("attack")),
    "speak": (speaking("well", "of"), speaking("badly", "of")),
    "think": (thinking("highly", "of"), thinking("poorly", "of")),
    "proud": (being("proud", "of"), being("ashamed", "of")),
    "fond": (being("fond", "of"), being("tired", "of")),
    "happy": (being("happy", "with"), being("bored", "with")),
}

# `ever` is said "always", or "never" where there is negation; that needs no "not".
ADVERBS = ("plain", "ever", "often", "really", "openly")

DETERMINERS = ("none", "the", "our", "their", "such")

ADJECTIVES = {
    "wonderful": ("wonderful", "terrible"),
    "excellent": ("excellent", "awful"),
    "lovely": ("lovely", "horrible"),
    "superb": ("superb", "dreadful"),
    "brilliant": ("brilliant", "boring"),
    "marvelous": ("marvelous", "lousy"),
    "great": ("great", "bad"),
    "perfect": ("perfect", "useless"),
    "charming": ("charming", "ugly"),
    "splendid": ("splendid", "nasty"),
}

TOPICS = (
    *("soup", "coffee", "bread", "cheese", "music", "poetry", "furniture", "jewelry"),
    *("cakes", "songs", "films", "gardens", "stories", "paintings", "shoes", "lessons"),
)

# Little is lost where one is wrong: it is the others by which people tell what a sentence says.
FUNCTION_WORDS = frozenset(
    (
        *("the", "my", "this", "another", "our", "both", "some", "their", "such", "of", "with", "on", "at", "after"),
        *("will", "be", "is", "are", "was", "were", "do", "does", "did"),
    )
)
