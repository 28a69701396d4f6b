"""The words that name a topic, English and Chinese alike.

Source: Grootendorst (2022), "BERTopic: Neural topic modeling with a class-based TF-IDF procedure": the texts of a topic
are taken for one, and a word weighs as often as it stands there, the more the less it stands anywhere else.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tunewheel.data.features import LONGEST, UNSPACED

WORDS = 10
"""Words that a topic is told by."""

NAMED = 3
"""Words in its name."""

_MORE = 1.2
"""How many times more often than in all texts a word that tells a topic stands in it."""

_RUNS = re.compile(rf"([{UNSPACED}]+)|[^\W\d_{UNSPACED}]+(?:['’][^\W\d_{UNSPACED}]+)*")
_MASKS = re.compile(r"\[[A-Z][A-Z_]*\]")

_STOPS = """
    a about above after again all also am an and another any anyone anything are as at away back be because been
    before being below between both but by can cannot could did do does doing done dont down during each else even
    ever every few for from get gets getting go goes going gone got had has have having he hello her here hers him
    his how however i if im in into is it its itself ive just let like made make makes many may me might mine more
    most much must my myself need never no nor not now of off on once one only or other our ours out over own please
    put quite rather really said same say says see she should since so some someone something still such take taken
    tell than thank thanks that the their them then there these they thing things this those through thus to too
    told try trying under until up upon us use used using very via want wanted was way we well went were what when
    where which while who whom whose why will with within without would yes yet you your yours
"""
STOP_WORDS = frozenset(_STOPS.split())
STOP_CHARACTERS = frozenset(
    "的了着过是在有和与及或也都就还又很太更最把被给对为以到从向于之其这那哪我你您他她它们吗呢吧啊呀哦嗯么什怎谁请问"
    "一不没个些因所但而并且如若果可能会应该要想得地上下里去来说看让使用好多少几各每某再已经正才只比将由等后前中时候"
    "样何如种次做现今张件条位第年月日天"
)


def told_words(text: str, *, stops: bool = False) -> list[str]:
    """The words of a text that can tell a topic: without stop words, numbers and masks; of Chinese those of two or more
    characters, unless these are all stop characters. With ``stops`` these too.

    >>> told_words("Where's the ＣＡＲＤ I lost? call [PHONE]"), told_words("我的银行卡怎么丢了")
    (['card', 'lost', 'call'], ['银行卡'])
    >>> told_words("Who are you?"), told_words("Who are you?", stops=True)
    ([], ['who', 'are', 'you'])
    """
    import rjieba

    found: list[str] = []
    for run in _RUNS.finditer(_MASKS.sub(" ", unicodedata.normalize("NFKC", text[:LONGEST])).casefold()):
        if run.group(1) is not None:
            found += (
                word
                for word in rjieba.cut(run.group())
                if stops or (len(word) > 1 and not STOP_CHARACTERS.issuperset(word))
            )
            continue
        word, _, rest = run.group().replace("’", "'").partition("'")
        # bank's is bank, but don't says nothing
        if stops or (len(word) > 1 and word not in STOP_WORDS and rest != "t"):
            found.append(word)
    return found


def topic_words(counts: Sequence[Mapping[str, int]], top: int = WORDS) -> list[list[str]]:
    """The words that tell each topic from the others, the best first, of how often each word stands in each.

    A word weighs its share of the topic's words times log(1 + mean words a topic / its number in all topics). Passed
    over is what stands there once, or hardly more often than anywhere, unless a topic has no other words.

    >>> topic_words([Counter(fee=3, card=9), Counter(rent=2, card=9)])
    [['fee'], ['rent']]
    """
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    every = max(1, total.total())
    mean = every / max(1, len(counts))
    found = []
    for each in counts:
        own = max(1, sum(each.values()))
        telling = [word for word, n in each.items() if n > 1 and n / own > _MORE * total[word] / every]
        words = telling or list(each)
        weight = [each[word] / own * math.log1p(mean / total[word]) for word in words]
        order = sorted(range(len(words)), key=lambda i: (-weight[i], words[i]))
        found.append([words[i] for i in order[:top]])
    return found


def topic_names(words: Sequence[Sequence[str]]) -> list[str]:
    """A name a topic of its first words, no two alike; a word that another one in it says too is passed over.

    >>> topic_names([["card", "cards", "lost", "theft"], ["card", "lost", "theft"], ["转账", "转账失败", "余额"], []])
    ['card lost theft', 'card lost theft 2', '转账 余额', 'topic 3']
    """
    taken: Counter[str] = Counter()
    names = []
    for place, each in enumerate(words):
        chosen: list[str] = []
        for word in each:
            if not any(_alike(word, other) for other in chosen):
                chosen.append(word)
        name = " ".join(chosen[:NAMED]) or f"topic {place}"
        if name in taken and len(chosen) > NAMED:
            name = " ".join(chosen[: NAMED + 1])
        taken[name] += 1
        names.append(name if taken[name] == 1 else f"{name} {taken[name]}")
    return names


def shared(first: Iterable[str], second: Iterable[str]) -> float:
    """The share of words that two topics have in common, of the longer list.

    >>> shared(["card", "lost"], ["card", "fee"]), shared([], ["card"])
    (0.5, 0.0)
    """
    one, other = set(first), set(second)
    return len(one & other) / max(1, len(one), len(other))


def _alike(word: str, other: str) -> bool:
    """Whether two words say the same in a name: they begin alike, or (Chinese) one holds the other."""
    short, long = sorted((word, other), key=len)
    if ord(short[0]) > 0x2E80:
        return short in long
    stem = max(4, len(short) - 1)
    return long[:stem] == short[:stem] or (long.startswith(short) and len(long) - len(short) <= 2)
