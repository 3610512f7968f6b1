"""Every tuned number of the stories stage, in one place, with what it was tuned on.

Logistic regressions over the measures named below, fitted on 742 articles with semi-synthetic
copies (real news, edited, truncated and retitled), 2,144 agency dispatches with real
re-transmissions, 462 articles about 40 events that come in pairs of the same kind, and 3,105
headlines about 43 stories of one day; biases then set on whole streams. ``benchmarks/quality.py``
scores them again; unseen stories score lower than the data tuned on.
"""

from __future__ import annotations

from datetime import timedelta

# How long a story takes in entries after its last one (Allan et al. and later event-detection work
# use two to four days), and how many entries are remembered at most.
WINDOW = timedelta(hours=72)
MAX_ENTRIES = 100_000

# Log-odds that two texts are one article, by measure (see duplicates._Measured.measures).
DUPLICATE = (
    4.5772,  # pairs of title and text shared, of the smaller
    -0.1517,  # pairs of the text shared, of the smaller
    4.6254,  # runs of four words shared, of the smaller
    0.3773,  # words of the titles shared (Jaccard)
    0.3836,  # numbers in one only, in tens
    1.2863,  # one's title found in the other
    0.7997,  # ln(1 + pairs shared)
    -2.6673,  # ln(1 + pairs of the smaller)
    0.6033,  # ln(1 + runs shared)
)
DUPLICATE_BIAS = 0.559

# Log-odds that an entry is about a story, by measure (see clusters._Entry.measures).
EVENT = (
    28.5163,  # cosine of stems
    3.7026,  # cosine of names
    -1.1914,  # both have names
    -15.1425,  # share of the entry's weight at the story's core
    3.4559,  # best shared term
    -0.9215,  # second best shared term
    4.1944,  # shared weight by length
    -2.4609,  # ln of the entry's terms
    -5.0989,  # cosine by ln of the entry's terms
)
EVENT_BIAS = 2.2534
# What a day without news takes from a story's log-odds. Not tuned: the data spans 36 hours.
DECAY_PER_DAY = 0.5

# How ready entries are to join is learned from the stream: where most entries have a clear story
# (one desk's topics), doubtful ones likely have one too; in a wire of unrelated news they don't.
# ``CLEAR`` is the log-odds that count as clear, ``CLEAR_MEMORY`` the entries over which their share
# is averaged (``CLEAR_WARM`` at the start). At a share of ``CLEAR_LOW`` and less ``CAUTION`` is
# taken from the log-odds, at ``CLEAR_HIGH`` and more nothing. Without it 41 % of 2,144 mostly
# unrelated dispatches were put to other stories, with it 3 %.
CLEAR = 2.5
CLEAR_MEMORY, CLEAR_WARM = 150, 80
CLEAR_LOW, CLEAR_HIGH = 0.3, 0.42
CLEAR_START = 0.5
CAUTION = 5.0
# The first entries of an installation meet document frequencies that know nothing yet.
START_CAUTION = 4.0
START_ENTRIES = 20
# While caution is taken one shared word ("Apple" pie and phones) makes no event.
SHARED_STEMS = 2
