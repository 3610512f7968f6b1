"""Terms that a rule's `none` could have, with what each would have changed. Pure.

Joins the alerts stage's feedback with the rules stage's matching, which neither may do by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.alerts.stats import ENOUGH, candidates, phrases
from monitor.config.models import RuleSettings, Settings
from monitor.rules import compile_rules, words_of
from monitor.stories.stopwords import STOP
from monitor.values import Document

MOST = 5  # proposals for one rule
_READ = 4000  # characters of a text that are looked through for candidates
# Words of kinds of texts: they don't tell two events apart, but may well be what nobody wanted.
_SILENT = STOP - {"live", "news", "photos", "report", "reports", "update", "video", "watch"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A term for `none`, and the stories that it would have vetoed, by what people said of them.

    ``rejected`` of ``rejected_of`` and ``accepted`` of ``accepted_of``; ``unjudged`` of
    ``unjudged_of`` are stories of the period that nobody judged.
    """

    term: str
    rejected: int
    rejected_of: int
    accepted: int
    accepted_of: int
    unjudged: int
    unjudged_of: int


def propose(
    settings: Settings,
    rule: RuleSettings,
    verdicts: Mapping[str, bool],
    stories: Mapping[str, Sequence[Document]],
) -> tuple[Proposal, ...]:
    """Return the terms that would have vetoed most of what was rejected, best first.

    A term is vouched for by the rule set itself: the rule is compiled with and without it and run
    on the documents. A story is vetoed when no document of it matches any more.

    Args:
        settings: the configuration, for its lists, entities and `ignore`.
        rule: the rule as it is now; what it no longer matches plays no part.
        verdicts: by story, whether people rejected it.
        stories: the documents of the period that the rule matched, by story.
    """
    if sum(verdicts.values()) < ENOUGH:
        return ()
    documents = [(story, each) for story, all_of in stories.items() for each in all_of]
    plain = compile_rules(settings.model_copy(update={"rules": [rule]})).ruleset
    firing: list[tuple[str, Document]] = []
    words: set[str] = set()
    for (story, document), matches in zip(
        documents, plain.match_many([each for _, each in documents]), strict=True
    ):
        if matches:
            firing.append((story, document))
            for hit in matches[0].hits:
                words.update(words_of(hit.text))
    told = {story for story, _ in firing}
    rejected = {story for story in told if verdicts.get(story, False)}
    accepted = {story for story in told if not verdicts.get(story, True)}
    if len(rejected) < ENOUGH:
        return ()
    found: dict[str, set[str]] = {story: set() for story in rejected | accepted}
    for story, document in firing:
        if story in found:
            texts = (document.title, document.summary, document.content)
            cut = [text[:_READ] if story in rejected else text for text in texts]
            found[story] |= phrases(cut, words_of, _SILENT | words)
    terms = candidates(
        [found[story] for story in sorted(rejected)], [found[story] for story in sorted(accepted)]
    )
    out: dict[frozenset[str], Proposal] = {}
    for term, vetoed in _vetoed(settings, rule, terms, firing).items():
        proposal = Proposal(
            term,
            len(vetoed & rejected),
            len(rejected),
            len(vetoed & accepted),
            len(accepted),
            len(vetoed - rejected - accepted),
            len(told - rejected - accepted),
        )
        if proposal.rejected >= ENOUGH and proposal.rejected > proposal.accepted:
            out.setdefault(vetoed, proposal)  # of terms with one effect, the first is enough
    ranked = sorted(out.values(), key=lambda each: (each.accepted, -each.rejected, each.unjudged))
    return tuple(ranked[:MOST])


def _vetoed(
    settings: Settings,
    rule: RuleSettings,
    terms: Sequence[str],
    firing: Sequence[tuple[str, Document]],
) -> dict[str, frozenset[str]]:
    """Return, by term, the stories that the rule would no longer match; all in one pass."""
    variants = {f"{number}": term for number, term in enumerate(terms)}
    rules = [
        rule.model_copy(update={"name": name, "none": _with(rule.none, term)})
        for name, term in variants.items()
    ]
    ruleset = compile_rules(settings.model_copy(update={"rules": rules})).ruleset
    left: dict[str, set[str]] = {name: set() for name in ruleset.rules}
    for (story, _), matches in zip(
        firing, ruleset.match_many([each for _, each in firing]), strict=True
    ):
        for match in matches:
            left[match.rule].add(story)
    told = {story for story, _ in firing}
    return {variants[name]: frozenset(told - stay) for name, stay in left.items()}


def _with(none: list[object] | dict[str, object] | None, term: str) -> object:
    """Return a rule's `none` with a term more, in the shape it has; the whole text is the title
    and the body."""
    if not isinstance(none, dict):
        return [*(none or []), term]
    out = dict(none)
    for place in ("title", "body"):
        there = out.get(place, [])
        out[place] = [*(there if isinstance(there, list) else [there]), term]
    return out
