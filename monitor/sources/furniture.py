"""Takes the furniture of a page (menus, sidebars, "Read comments") off its plain text.

Feeds carry whole pages in an entry's content, and pages come as plain text: without markup only
the shape of the text tells the article from what stands around it. An article is the stretch with
the most running prose; menus, teasers and share buttons are short blocks, many of them in words
that every site uses. What shows no such words, or too few blocks, is left alone: losing a sentence
of an article costs a missed alert, which is worse than a menu too many.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

MIN_BLOCKS = 8  # fewer tell nothing: a short article with a caption and a byline has six
_MIN_FURNITURE = 2  # blocks in a site's own words before anything is taken off
_MARKS_OF_A_PAGE = 3  # different blocks in a site's own words before an entry counts as a page
_MIN_PROSE_BLOCKS = 2
_MIN_WORDS = 60  # an article has at least so many; what is left must not be less
_PROSE_WORDS = 12  # a block of running text; headlines have up to 14 but no full stop
_PROSE_CAP = 80  # words of one block that count towards its stretch
_BODY_WORDS = 100  # words of prose after which a page's end is believed
_REST = 0.5  # of the prose before an end may follow it: sidebars and teasers
_CAP = 400_000  # characters looked at

# What a block is worth for the stretch it stands in; tuned on synthetic pages, not on one site.
_SHORT = -10.0
_FURNITURE = -25.0
_LIST = -60.0


class Kind(Enum):
    """What a block of text is."""

    PROSE = "prose"
    SHORT = "short"  # headline, byline, caption, list item: an article may have them
    FURNITURE = "furniture"  # a menu, a button
    ROW = "row"  # short words in a row: a menu, or a table
    LIST = "list"  # the head of a list of other stories
    END = "end"  # what only stands after an article


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph of a page's text with what it is.

    ``words`` counts two CJK characters as one; ``start`` and ``end`` are offsets into the text.
    """

    text: str
    kind: Kind
    words: int
    start: int
    end: int


_FURNITURE_WORDS = r"""
    skip\ to\b | jump\ to\b | (?:main\ |site\ |top\ )?(?:menu|navigation)$ | search$ | close$
    | home$ | (?:log|sign)[\ -]?(?:in|out|up)\b | subscrib(?:e|er)\b
    | register(?:\ now|\ here|\ for\ free)?$
    | (?:my|your)\ account | share\b(?:\ this|\ on|\ via|\ article|:|$)
    | (?:tweet|pin|like|save|print|e-?mail|copy\ link)$
    | (?:facebook|twitter|google\+|youtube|instagram|linkedin|whatsapp|telegram|reddit|rss|email)
      (?:[\s,|·•/]+(?:facebook|twitter|google\+|youtube|instagram|linkedin|whatsapp|telegram
      |reddit|rss|email|print))*$
    | follow\ (?:us|@|\w+\ on)\b | like\ us\b | become\ a\ fan | join\ us\ on | advertisement\b
    | sponsored\b | newsletters?\b | sign\ up\ (?:for|to|now)\b | get\ (?:our|the)\b.*newsletter
    | (?:we|this\ (?:site|website))\ uses?\ cookies | by\ continuing\ to\ (?:use|browse)
    | accept\ (?:all\ )?cookies | cookie\ (?:policy|settings|preferences) | manage\ cookies
    | click\ here\b | download\ (?:our|the)\b.*\bapp\b | support\ (?:us|our\ journalism)\b
    | donate(?:\ now|\ today)?$ | buy\ (?:now|tickets) | read\ more\b | also\ read\b
    | continue\ reading\b
    | listen\ to\ this\ (?:article|story) | image\ source[,:] | (?:previous|next)(?:\ article)?$
    | aller\ au\ contenu | abonnez-vous | s['’]abonner | je\ m['’]abonne | se\ connecter
    | partager\b | publicité | lire\ (?:aussi|plus|la\ suite)\b | à\ lire\ aussi | accueil$
    | rechercher$ | zum\ inhalt | anmelden | abonnieren | jetzt\ abonnieren
    | teilen$ | anzeige$ | startseite$
    | lesen\ sie\ auch | mehr\ lesen | (?:saltar|ir)\ al\ contenido | suscr[ií]b\w* | compartir\b
    | iniciar\ sesión | publicidad | lee\ también | leer\ más | inicio$ | buscar$
    | vai\ al\ contenuto | abbonati | accedi$ | condividi\b | pubblicità | leggi\ anche
    | ir\ para\ o\ conteúdo | assine\b | compartilh\w+ | publicidade | leia\ (?:também|mais)
    | naar\ inhoud | abonneer | inloggen | delen$ | advertentie | lees\ ook
    | перейти\ к\b | войти$ | подписаться | поделиться | реклама$ | читайте\ также | меню$ | поиск$
"""
_LIST_WORDS = r"""
    related(?:\ (?:articles?|stories|story|content|topics?|posts?|coverage|news|links))?:?$
    | recommended\b | more\ (?:from|on|in|about|stories|news|coverage)\b | trending\b
    | (?:the\ )?latest(?:\ (?:news|stories|headlines|posts))?$ | (?:top|featured|other)\ stories
    | editors?['’]?s?\ (?:picks?|choice) | don['’]t\ miss | in\ this\ (?:section|topic) | tags?:
    | sur\ le\ même\ (?:sujet|thème) | mehr\ zum\ thema | noticias\ relacionadas
    | articoli\ correlati | notícias\ relacionadas | по\ теме$ | meer\ over
"""
_END_WORDS = r"""
    (?:read|view|show|see|hide|load|all|\d[\d,.]*)\ (?:\w+\ ){0,2}comments?\b
    | (?:leave|post|add|write)\ a\ (?:comment|reply) | comments?(?:\ ?\(\d+\)|\ are\ closed)?:?$
    | special\ offers? | most\ (?:popular|read|viewed|shared|commented|watched|recent)
    | you\ (?:may|might)\ (?:also\ )?(?:like|enjoy|be\ interested) | (?:popular|recent)\ posts?$
    | copyright\b | © | \(c\)\ \d{4} | all\ rights\ reserved | privacy\ (?:policy|notice|statement)
    | terms\ (?:of|and|&)\b | contact\ us$ | about\ us$ | advertise\ with\ us | site\ ?map$
    | back\ to\ (?:the\ )?top | around\ the\ web | from\ our\ partners | paid\ (?:content|post)
    | (?:les\ )?plus\ (?:lus|populaires) | commentaires?$ | mentions\ légales
    | tous\ droits\ réservés | meistgelesen | kommentare?$ | impressum | datenschutz
    | alle\ rechte\ vorbehalten | lo\ más\ (?:leído|visto) | te\ puede\ interesar
    | comentarios?$ | aviso\ legal
    | todos\ los\ derechos | i\ più\ letti | commenti$ | tutti\ i\ diritti | mais\ lidas
    | todos\ os\ direitos | meest\ gelezen | reacties$ | популярное$ | комментарии | все\ права
"""
_LEAD = r"^[\W_]*(?:"
_FURNITURE_RE = re.compile(_LEAD + _FURNITURE_WORDS + ")", re.IGNORECASE | re.VERBOSE)
_LIST_RE = re.compile(_LEAD + _LIST_WORDS + ")", re.IGNORECASE | re.VERBOSE)
_END_RE = re.compile(_LEAD + _END_WORDS + ")", re.IGNORECASE | re.VERBOSE)
_ANY_RE = re.compile(
    f"{_LEAD}{_FURNITURE_WORDS}|{_LIST_WORDS}|{_END_WORDS})", re.IGNORECASE | re.VERBOSE
)
_SHORT_LINE = 250  # characters; a block of ``_FURNITURE_LONGEST`` words is shorter
_COOKIES_RE = re.compile(
    r"\bcookies?\b.{0,200}\b(?:experience|consent|accept|settings|agree)\b", re.I
)
_SEPARATED_RE = re.compile(r"\s[|·•›»/]\s|\s{3,}")
_STOP_RE = re.compile(r"[.!?…。！？।؟][\"'”’»)\]]*(?=\s|$)")
_CJK_RE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_WORD_RE = re.compile(r"\w+")
_FURNITURE_LONGEST = 14  # words; a longer block that begins so is a sentence of an article
_COMMAND = 6  # words; "Sign out of all accounts on your laptop." is a sentence, not a button
_MENU_ITEM = 3  # words of an entry of a menu in one line


def split_blocks(text: str) -> list[Block]:
    """Return the blocks (paragraphs, lines of a list) of plain text, each with what it is."""
    blocks: list[Block] = []
    paragraph: list[tuple[str, int, int]] = []
    at = 0
    for line in text[:_CAP].split("\n"):
        end = at + len(line)
        if line and not line.isspace():
            paragraph.append((line.strip(), at, end))
        elif paragraph:
            blocks += _blocks(paragraph)
            paragraph = []
        at = end + 1
    return blocks + _blocks(paragraph)


def _blocks(lines: list[tuple[str, int, int]]) -> list[Block]:
    """Return the blocks of one paragraph: itself, or each of its lines where it is a list."""
    if len(lines) > 1 and _wrapped([line for line, _, _ in lines]):
        return [_block(" ".join(line for line, _, _ in lines), lines[0][1], lines[-1][2])]
    return [_block(*line) for line in lines]


def clean_content(text: str) -> str:
    """Return plain text without its page's furniture; unchanged unless it is clearly a page.

    Paragraphs are blank lines, before and after. Never returns nothing for something.
    """
    if not _may_be_page(text):
        return text
    blocks = split_blocks(text)
    kept = article_blocks(blocks) if _is_page(blocks) else None
    if kept is None:
        return text
    return "\n\n".join(blocks[at].text for at in kept)


def blank_furniture(text: str) -> str:
    """Return ``text`` with its page's furniture turned into line ends, offsets unchanged."""
    if not _may_be_page(text):
        return text
    blocks = split_blocks(text)
    kept = article_blocks(blocks) if _is_page(blocks) else None
    if kept is None:
        return text
    out = []
    at = 0
    for each in kept:
        block = blocks[each]
        out += ["\n" * (block.start - at), text[block.start : block.end]]
        at = block.end
    out.append("\n" * (len(text) - at))
    return "".join(out)


def _may_be_page(text: str) -> bool:
    """Whether there can be enough furniture in ``text``: a cheap look that spares most entries."""
    if text.count("\n") < MIN_BLOCKS - 1:
        return False
    found = int("ookie" in text)
    for line in text[:_CAP].split("\n"):
        if found >= _MIN_FURNITURE:
            return True
        if len(line) <= _SHORT_LINE and line and _ANY_RE.match(line):
            found += 1
    return found >= _MIN_FURNITURE


def _is_page(blocks: list[Block]) -> bool:
    """Whether a text is clearly a page: a site's words in three different blocks, and where pages
    have them: before the first prose, or as the end of an article."""
    words = (Kind.FURNITURE, Kind.LIST, Kind.END)
    marks = {block.text for block in blocks if block.kind in words}
    if len(marks) < _MARKS_OF_A_PAGE:
        return False
    for block in blocks:
        if block.kind is Kind.PROSE:
            break
        if block.kind in words:
            return True
    return any(block.kind is Kind.END for block in blocks)


def article_blocks(blocks: list[Block]) -> list[int] | None:
    """Return which blocks are the article; None where this can't be told or nothing is to go."""
    prose = [block for block in blocks if block.kind is Kind.PROSE]
    marked = sum(block.kind not in (Kind.PROSE, Kind.SHORT) for block in blocks)
    if len(blocks) < MIN_BLOCKS or marked < _MIN_FURNITURE or len(prose) < _MIN_PROSE_BLOCKS:
        return None
    end = _end(blocks)
    start, stop = _densest([_worth(block) for block in blocks[:end]])
    start, stop = _widened(blocks, start, stop, end)
    kept = []
    in_list = False
    for at in range(start, stop):
        kind = blocks[at].kind
        if kind is Kind.PROSE:
            in_list = False
            kept.append(at)
        elif kind is Kind.SHORT and not in_list:
            kept.append(at)
        elif kind in (Kind.LIST, Kind.END):
            in_list = True  # the headlines under it go with it
    words = sum(blocks[at].words for at in kept if blocks[at].kind is Kind.PROSE)
    return kept if words >= _MIN_WORDS else None


def _end(blocks: list[Block]) -> int:
    """Return where the page's end begins: an end's words after most of the page's prose.

    The words alone aren't enough: "Comments" is a button above many articles.
    """
    left = sum(block.words for block in blocks if block.kind is Kind.PROSE)
    words = 0
    for at, block in enumerate(blocks):
        if block.kind is Kind.END and words >= _BODY_WORDS and left <= _REST * words:
            return at
        if block.kind is Kind.PROSE:
            words += block.words
            left -= block.words
    return len(blocks)


def _densest(worth: list[float]) -> tuple[int, int]:
    """Return the stretch with the largest sum (Kadane's algorithm)."""
    best = total = 0.0
    begin = start = stop = 0
    for at, value in enumerate(worth):
        if total <= 0:
            total, begin = 0.0, at
        total += value
        if total > best:
            best, start, stop = total, begin, at + 1
    return start, stop


def _widened(blocks: list[Block], start: int, stop: int, end: int) -> tuple[int, int]:
    """Return the stretch up to the next furniture on both sides, from its first prose on.

    A table or a list between paragraphs looks like a menu; only a site's own words part an article
    from what isn't.
    """
    plain = (Kind.PROSE, Kind.SHORT)
    first = start
    while first > 0 and blocks[first - 1].kind in plain:
        first -= 1
    while first < start and blocks[first].kind is not Kind.PROSE:
        first += 1
    while stop < end and blocks[stop].kind in plain:
        stop += 1
    return first, stop


def _worth(block: Block) -> float:
    if block.kind is Kind.PROSE:
        return float(min(block.words, _PROSE_CAP))
    if block.kind is Kind.SHORT:
        return _SHORT
    return _FURNITURE if block.kind in (Kind.FURNITURE, Kind.ROW) else _LIST


def _block(text: str, start: int, end: int) -> Block:
    text = " ".join(text.split())
    words = _count(text)
    return Block(text, _kind(text, words), words, start, end)


def _kind(text: str, words: int) -> Kind:
    if words <= _FURNITURE_LONGEST:
        head = text[:200]
        if _END_RE.match(head):
            return Kind.END
        if _LIST_RE.match(head):
            return Kind.LIST
        if _FURNITURE_RE.match(head) and not (words > _COMMAND and text.endswith(".")):
            return Kind.FURNITURE
        if _is_menu(head):
            return Kind.ROW
    elif _COOKIES_RE.search(text[:600]):
        return Kind.FURNITURE
    elif _is_menu(text[:600]):
        return Kind.ROW
    stops = len(_STOP_RE.findall(text[:2_000]))
    if words >= 2 * _PROSE_WORDS or (words >= _PROSE_WORDS and stops) or stops >= 2 <= words // 4:
        return Kind.PROSE
    return Kind.SHORT


def _is_menu(text: str) -> bool:
    """Whether a block is a row of short entries ("Home | World | Politics")."""
    if text.startswith("|"):
        return False  # a row of a table
    items = [item for item in _SEPARATED_RE.split(text) if item.strip()]
    if len(items) < 3:
        return False
    return all(len(item.split()) <= _MENU_ITEM for item in items)


def _wrapped(lines: list[str]) -> bool:
    """Whether lines are one paragraph broken at a margin, rather than a list."""
    longest = max(len(line) for line in lines)
    return longest <= 100 and all(len(line) > 0.6 * longest for line in lines[:-1])


def _count(text: str) -> int:
    cjk = len(_CJK_RE.findall(text))
    return len(_WORD_RE.findall(text)) if not cjk else max(len(_WORD_RE.findall(text)), cjk // 2)
