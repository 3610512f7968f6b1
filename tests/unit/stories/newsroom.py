"""Made-up news for the tests: any number of events, each told by several outlets in own words."""

from __future__ import annotations

from random import Random

_ONSETS = ("b", "br", "d", "f", "g", "gr", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "z")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_ENDS = ("l", "m", "n", "r", "s", "th", "x", "nd", "rk")
_FRAMES = (
    "{who} {verb} the {thing} near {place} after {other} objected to the {detail}",
    "In {place} the {thing} was {verb} by {who} while {other} spoke of a {detail}",
    "{other} says {detail} behind the {thing} that {who} {verb} in {place}",
)
_FILLERS = (
    "The {detail} had been known to {other} for some time, a person close to {who} said.",
    "Residents of {place} gathered around the {thing} and asked what {who} had {verb}.",
    "Nobody at {other} would comment on the {thing} or on the {detail} that followed.",
    "It is the first time that a {thing} in {place} has been {verb} over a {detail}.",
)


class Event:
    """One thing that happened, with its own words and names."""

    def __init__(self, number: int) -> None:
        random = Random(number)

        def word() -> str:
            return _word(random)

        self.number = number
        self.words = {
            "who": f"{word().title()} {word().title()}",
            "other": word().title(),
            "place": word().title(),
            "thing": f"{word()} {word()}",
            "verb": f"{word()}ed",
            "detail": f"{word()} {word()}",
        }

    def title(self, outlet: int = 0) -> str:
        return self._fill(_FRAMES[outlet % len(_FRAMES)])

    def text(self, outlet: int = 0) -> str:
        mine = _FILLERS[2 * (outlet % 2) :][:2]
        return " ".join(self._fill(each) for each in mine)

    def _fill(self, frame: str) -> str:
        out = frame.format(**self.words)
        return out[0].upper() + out[1:]


def _word(random: Random) -> str:
    return "".join(
        random.choice(_ONSETS) + random.choice(_VOWELS) for _ in range(2)
    ) + random.choice(_ENDS)
