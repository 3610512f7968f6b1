"""Which story is an entry about? One streaming pass over the stories of the last days.

A story is the sum of its entries' terms. An entry joins the story that scores best, if it scores
well enough: cosine of stems and of names under online document frequencies, and how much of what
matters in the entry is at the core of the story (terms by the share of its entries that have them).
Weights: ``monitor.stories.weights``. Short entries (headlines) need less
cosine than long ones; hours without news count against a story.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul

from monitor.stories.frequencies import Frequencies
from monitor.stories.terms import Features
from monitor.stories.weights import (
    CAUTION,
    CLEAR,
    CLEAR_HIGH,
    CLEAR_LOW,
    CLEAR_MEMORY,
    CLEAR_START,
    CLEAR_WARM,
    DECAY_PER_DAY,
    EVENT,
    EVENT_BIAS,
    SHARED_STEMS,
    START_CAUTION,
    START_ENTRIES,
)

LOOKED_UP = 16  # rarest terms of an entry that stories are looked up by
POSTINGS = 50  # a term in more stories than this finds none
VISITED = 80  # stories counted over all terms; the rarest terms come first
CANDIDATES = 8  # stories that are scored
MAX_TERMS = 100  # heaviest terms of a story that are kept
# Once weights hardly move any more, a large story is weighed anew with each fourth entry only; in
# between its length grows by what comes.
STEADY = 10_000  # documents
SMALL, EXACT_EACH = 8, 4
NAME = "^"  # marks a name among the terms of the frequencies
_STRENGTHS = (0.0, *(1 + math.log(count) for count in range(1, 64)))


@dataclass(slots=True)
class Cluster:
    """What a story is about: summed term weights (1 + ln of the count) of its entries.

    ``stem_norm`` and ``name_norm`` are lengths under the document frequencies of the moment of the
    last change; ``last`` is the time of the newest entry in seconds.
    """

    story_id: str
    key: str | None
    last: float
    size: int = 0
    stems: dict[str, float] = field(default_factory=dict)
    names: dict[str, float] = field(default_factory=dict)
    stem_norm: float = 1.0
    name_norm: float = 1.0


class Clusters:
    """The live stories, found by their terms.

    ``clear`` is the running share of entries that clearly belonged to a story, ``asked`` how many
    entries it has seen (both are part of the state).
    """

    def __init__(self) -> None:
        self.clear = CLEAR_START
        self.asked = 0
        self._clusters: dict[str, Cluster] = {}  # in the order of ``last``, oldest first
        # Term -> story -> the term's summed weight there.
        self._postings: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._keyed = False  # some story has a key

    def __len__(self) -> int:
        return len(self._clusters)

    def get(self, story_id: str) -> Cluster | None:
        """Return a live story's cluster."""
        return self._clusters.get(story_id)

    def put(self, cluster: Cluster) -> None:
        """Take in a cluster as it was stored; clusters must come in the order of ``last``."""
        self._clusters[cluster.story_id] = cluster
        self._keyed = self._keyed or cluster.key is not None
        for term, strength in cluster.stems.items():
            self._postings[term][cluster.story_id] = strength

    def expire(self, before: float) -> list[str]:
        """Forget the stories without an entry since ``before`` (seconds); returns their ids."""
        gone: list[str] = []
        for story_id, cluster in self._clusters.items():
            if cluster.last >= before:
                break
            gone.append(story_id)
        for story_id in gone:
            for term in self._clusters.pop(story_id).stems:
                self._drop(term, story_id)
        return gone

    def add(
        self, story_id: str, entry: Weighed, at: float, key: str | None, df: Frequencies
    ) -> Cluster:
        """Add an entry to a story, new or live; returns its cluster."""
        cluster = self._clusters.pop(story_id, None)
        if cluster is None:
            cluster = Cluster(
                story_id, key, at, 1, _strengths(entry.features.stems),
                _strengths(entry.features.names), entry.stem_norm, entry.name_norm,
            )  # fmt: skip
            self.put(cluster)
            return cluster
        self._clusters[story_id] = cluster
        cluster.size += 1
        cluster.last = max(cluster.last, at)
        stems = _Sum(cluster.stems, cluster.stem_norm)
        for term, count in entry.features.stems.items():
            self._postings[term][story_id] = stems.add(term, _strength(count), entry.idf[term])
        names = _Sum(cluster.names, cluster.name_norm)
        for name, count in entry.features.names.items():
            names.add(name, _strength(count), entry.name_idf[name])
        small = cluster.size <= SMALL
        exact = small or df.documents < STEADY or cluster.size % EXACT_EACH == 0
        for term in stems.cut(df, ""):
            self._drop(term, story_id)
        names.cut(df, NAME)
        cluster.stem_norm = stems.length(df, "", exact=exact)
        cluster.name_norm = names.length(df, NAME, exact=exact)
        return cluster

    def find(self, entry: Weighed, at: float, key: str | None) -> tuple[float, Cluster] | None:
        """Return the log-odds and the cluster of the story that an entry is about, or None.

        Only stories with the same ``key`` are considered. Moves the running share of clear cases.
        """
        best = self._best(entry, at, key)
        caution = self._caution()
        clear = best is not None and best[0] >= CLEAR
        self.clear += (clear - self.clear) / min(CLEAR_MEMORY, self.asked + CLEAR_WARM)
        self.asked += 1
        return self._sure(best, entry, caution)

    def look(self, entry: Weighed, at: float, key: str | None) -> tuple[float, Cluster] | None:
        """Return what ``find`` would for another reading of the entry that was found last."""
        return self._sure(self._best(entry, at, key), entry, self._caution())

    def _best(self, entry: Weighed, at: float, key: str | None) -> tuple[float, Cluster] | None:
        best: tuple[float, Cluster] | None = None
        for cluster in self._candidates(entry, key):
            score = EVENT_BIAS + sum(map(mul, entry.measures(cluster), EVENT))
            score -= DECAY_PER_DAY * max(0.0, at - cluster.last) / 86_400
            if best is None or score > best[0]:
                best = (score, cluster)
        return best

    @staticmethod
    def _sure(
        best: tuple[float, Cluster] | None, entry: Weighed, caution: float
    ) -> tuple[float, Cluster] | None:
        if best is None or best[0] < caution:
            return None
        if caution > 0 and len(best[1].stems.keys() & entry.stems.keys()) < SHARED_STEMS:
            return None
        return best[0] - caution, best[1]

    def _caution(self) -> float:
        """Return the log-odds an entry needs, by how clear the stream's entries are."""
        share = (self.clear - CLEAR_LOW) / (CLEAR_HIGH - CLEAR_LOW)
        learned = CAUTION * (1 - min(1.0, max(0.0, share)))
        return max(learned, START_CAUTION * (1 - self.asked / START_ENTRIES))

    def _candidates(self, entry: Weighed, key: str | None) -> list[Cluster]:
        found: defaultdict[str, float] = defaultdict(float)
        looked_up = visited = 0
        for negative, term in entry.by_weight:
            stories = self._postings.get(term)
            if not stories or len(stories) > POSTINGS:
                continue
            square = negative * negative
            for story_id, strength in stories.items():
                found[story_id] += square * strength
            looked_up += 1
            visited += len(stories)
            if looked_up == LOOKED_UP or visited > VISITED:
                break
        if key is not None or self._keyed:
            for story_id in [each for each in found if self._clusters[each].key != key]:
                del found[story_id]
        clusters = self._clusters
        weights = [weight / clusters[each].stem_norm for each, weight in found.items()]
        least = sorted(weights)[-CANDIDATES] if len(weights) > CANDIDATES else 0.0
        best = sorted(
            (-weight, story_id)
            for weight, story_id in zip(weights, found, strict=True)
            if weight >= least
        )
        return [clusters[story_id] for _, story_id in best[:CANDIDATES]]

    def _drop(self, term: str, story_id: str) -> None:
        held = self._postings.get(term)
        if held is not None:
            held.pop(story_id, None)
            if not held:
                del self._postings[term]


class Weighed:
    """An entry's terms, weighed once: compared with one story after the other, added to one."""

    def __init__(self, features: Features, df: Frequencies) -> None:
        self.features = features
        self.idf = df.weights(features.stems)
        self.stems = {
            term: _strength(count) * self.idf[term] for term, count in features.stems.items()
        }
        self.name_idf = df.weights(features.names, NAME)
        self.names = {
            name: _strength(count) * self.name_idf[name] for name, count in features.names.items()
        }
        self.by_weight = sorted((-weight, term) for term, weight in self.idf.items())
        self.stem_norm = _length([*self.stems.values()])
        self.name_norm = _length([*self.names.values()])
        self.squares = sum(weight * weight for weight in self.idf.values()) or 1.0
        self.scale = df.log_documents
        self.log_length = math.log(len(self.stems) + 1)

    def measures(self, cluster: Cluster) -> tuple[float, ...]:
        """Return what the event weights are for, in their order."""
        size = cluster.size
        dot = covered = shared = first = second = 0.0
        counts = cluster.stems
        for term in filter(counts.__contains__, self.stems):
            count = counts[term]
            idf = self.idf[term]
            share = count / size
            dot += self.stems[term] * count * idf
            covered += idf * idf * share if share < 1.0 else idf * idf
            shared += idf * 3 * share if share < 1 / 3 else idf
            strength = idf * share
            if strength > first:
                first, second = strength, first
            elif strength > second:
                second = strength
        cosine = dot / (self.stem_norm * cluster.stem_norm)
        both = 1.0 if self.names and cluster.names else 0.0
        dot = 0.0
        if both:
            held = cluster.names
            for name in filter(held.__contains__, self.names):
                dot += self.names[name] * held[name] * self.name_idf[name]
        return (
            cosine,
            dot / (self.name_norm * cluster.name_norm),
            both,
            covered / self.squares,
            first / self.scale,
            second / self.scale,
            shared / self.scale / math.sqrt(len(self.stems) + 1),
            self.log_length,
            cosine * self.log_length,
        )


class _Sum:
    """The terms of a story while an entry is added: ``held``, whose length was ``length``."""

    def __init__(self, held: dict[str, float], length: float) -> None:
        self._held = held
        self._square = length * length if held else 0.0
        self._cut = False

    def add(self, term: str, strength: float, idf: float) -> float:
        """Add to a term's weight; returns what it is now."""
        old = self._held.get(term, 0.0)
        new = self._held[term] = old + strength
        self._square += (new * new - old * old) * idf * idf
        return new

    def cut(self, df: Frequencies, mark: str) -> list[str]:
        """Remove the lightest terms where they are too many; returns them."""
        gone = _lightest(self._held, df, mark)
        for term in gone:
            del self._held[term]
        self._cut = bool(gone)
        return gone

    def length(self, df: Frequencies, mark: str, *, exact: bool) -> float:
        """Return the length: of all terms as they weigh now, or of those of the last time as they
        weighed then."""
        if exact or self._cut:
            return _length(df.weighed(self._held, mark))
        return math.sqrt(self._square) or 1.0


def _strength(count: int) -> float:
    """Return 1 + ln of a count; the same object for the counts that texts have."""
    return _STRENGTHS[count] if count < len(_STRENGTHS) else 1 + math.log(count)


def _strengths(counts: Mapping[str, int]) -> dict[str, float]:
    return {term: _strength(count) for term, count in counts.items()}


def _lightest(held: Mapping[str, float], df: Frequencies, mark: str) -> list[str]:
    """Return the terms of a story that are too many to be kept."""
    if len(held) <= MAX_TERMS * 1.3:
        return []
    weights = dict(zip(held, df.weighed(held, mark), strict=True))
    return sorted(held, key=lambda term: (-weights[term], term))[MAX_TERMS:]


def _length(weights: Sequence[float]) -> float:
    return math.sqrt(sum(map(mul, weights, weights))) or 1.0
