"""Dates as feeds write them → UTC.

Two patterns read nearly all of them; the rest goes through a table of forms that feeds really use
(zone names, twelve-hour clocks, numeric and localised dates, Unix seconds) and at last through
feedparser's own readers. A date that can't be is None: nothing is clamped, nothing invented.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from feedparser.datetimes import _parse_date as _feedparser_date  # type: ignore[import-untyped]

_LONGEST = 80  # characters; longer is no date, and the patterns need no bound of their own

# Names feeds use beyond RFC 822's, in minutes east of UTC. IST is India's (Ireland and Israel
# write offsets), BST Britain's, CST/EST America's as in RFC 822.
_ZONES = {
    **dict.fromkeys(("z", "ut", "utc", "gmt", "wet", "uct"), 0),
    **dict.fromkeys(("cet", "bst", "west", "met", "mez"), 60),
    **dict.fromkeys(("cest", "eet", "sast", "cat", "mest", "mesz"), 120),
    **dict.fromkeys(("eest", "msk", "eat", "idt", "trt"), 180),
    **dict.fromkeys(("msd", "gst", "samt"), 240),
    "irst": 210,
    "ist": 330,
    "npt": 345,
    "pkt": 300,
    "bdt": 360,
    "ict": 420,
    "wib": 420,
    **dict.fromkeys(("sgt", "hkt", "awst", "myt", "pht"), 480),
    **dict.fromkeys(("jst", "kst"), 540),
    "acst": 570,
    "aest": 600,
    "acdt": 630,
    "aedt": 660,
    "nzst": 720,
    "nzdt": 780,
    "est": -300,
    "edt": -240,
    "cst": -360,
    "cdt": -300,
    "mst": -420,
    "mdt": -360,
    "pst": -480,
    "pdt": -420,
    "akst": -540,
    "akdt": -480,
    "hst": -600,
    "ast": -240,
    "adt": -180,
    "nst": -210,
    "ndt": -150,
    "brt": -180,
    "art": -180,
    "clt": -240,
}

# Month names of the languages whose feeds localise them, by their first letters without accents.
_MONTH_NAMES = (
    "jan gen ene янв ian ιαν oca sty led يناير 1月",
    "feb fev fév févr fevr фев φεβ şub sub lut úno uno فبراير 2月",
    "mar mär mrz mae маr мар mars märz maart mrt μαρ mart březen مارس 3月",
    "apr avr abr апр απρ nis kwi dub أبريل ابريل 4月",
    "may mai mei mag maj мая май μαϊ μαι may mayıs kwe kvě kve مايو 5月",
    "jun juin giu июн ιουν haz cze čvn cvn čer يونيو 6月",
    "jul juil lug июл ιουλ tem lip čvc cvc يوليو 7月",
    "aug aoû aou ago авг αυγ ağu agu sie srp أغسطس اغسطس 8月",
    "sep set сен σεπ eyl wrz zář zar سبتمبر 9月",
    "oct okt ott out окт οκτ eki paź paz říj rij أكتوبر اكتوبر 10月",
    "nov ноя νοε kas lis نوفمبر 11月",
    "dec dez dic dés déc дек δεκ ara gru pro ديسمبر 12月",
)
_MONTHS = {name: number + 1 for number, names in enumerate(_MONTH_NAMES) for name in names.split()}
_MONTH_LENGTHS = sorted({len(name) for name in _MONTHS}, reverse=True)

_USUAL_ISO = re.compile(
    r"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-7]):?[0-5]\d)", re.ASCII
)
_USUAL_RFC822 = re.compile(
    r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) ([12]\d{3}) (\d\d):(\d\d):(\d\d) "
    r"(GMT|[+-](?:0\d|1[0-7])[0-5]\d)",
    re.ASCII,
)
_MONTH_ABBREVIATIONS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_USUAL_MONTHS = {name: number + 1 for number, name in enumerate(_MONTH_ABBREVIATIONS.split())}
_RFC822 = re.compile(
    r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) ([12]\d{3}) (\d\d):(\d\d):(\d\d) "
    r"(GMT|[+-](?:0\d|1[0-7])[0-5]\d)",
    re.ASCII,
)
_USUAL_MONTHS = {
    name: number + 1
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    )
}
_RFC822 = re.compile(
    r"(?:[^\W\d_]+\.?,?\s*)?(\d{1,2})(?:st|nd|rd|th|\.)?[\s-]+(?:de\s+)?([^\W\d_]+)\.?,?[\s-]+"
    r"(?:de\s+)?(\d{4}|\d{2})(?!\d),?"
    r"(?:\s+(?:at\s+)?(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:\.\d+)?)?\s*([AaPp]\.?[Mm]\.?)?)?"
    r"\s*(.*)",
    re.DOTALL,
)
_ISO = re.compile(
    r"(\d{4})-?(\d{2})-?(\d{2})(?:[Tt\s]\s*(\d{1,2}):?(\d{2})(?::?(\d{2})(?:[.,]\d+)?)?)?\s*(.*)",
    re.DOTALL,
)
_SLASH_YEAR = re.compile(
    r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})"
    r"(?:[T\s]+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?\s*(.*)"
)
_DOTTED = re.compile(
    r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,?\s+(?:-\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?)?\s*(.*)"
)
_SLASHED = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})"
    r"(?:,?\s+(?:-\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?\s*(.*)"
)
_MONTH_FIRST = re.compile(
    r"(?:[^\W\d_]+\.?,?\s+)?([^\W\d_]{3,})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})"
    r"(?:,?\s+(?:at\s+|-\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp]\.?[Mm]\.?)?)?\s*(.*)"
)
_CTIME = re.compile(
    r"[A-Za-z]{3}\s+([A-Za-z]{3})\s+(\d{1,2})\s+(\d{1,2}):(\d{2}):(\d{2})\s+(.*?)\s*(\d{4})(.*)"
)
_UNIX = re.compile(r"(\d{9,10}|\d{12,13})(?:\.\d+)?")
_OFFSET = re.compile(r"(?:(?:gmt|utc|ut)\s*)?([+-])\s?(\d{1,2}):?(\d{2})?(?!\d)\s*(?:\(.*\))?")
_ZONE_NAME = re.compile(r"\(?([A-Za-z]{1,5})\)?")


@lru_cache(maxsize=2048)
def parse_date(text: str | None) -> datetime | None:
    """Return the moment ``text`` names, in UTC, or None where it names none.

    A date without a zone is UTC. Numeric dates with slashes are month first unless that can't be
    (feeds that write ``02/17/2026 05:36 PM`` are American); with dots day first.
    """
    if not text:
        return None
    usual = _usual(text)
    if usual is not None:
        return usual
    text = " ".join(text.split())
    if not text or len(text) > _LONGEST:
        return None
    for read in (_iso, _rfc822, _year_slash, _dotted, _slashed, _month_first, _ctime, _unix):
        found, moment = read(text)
        if found:
            return moment
    return _by_feedparser(text)


def _usual(text: str) -> datetime | None:
    """Return the moment of a date in one of the two spellings that nearly all feeds use, or None.

    A short cut: what follows reads them the same, in four times the time.
    """
    try:
        if _USUAL_ISO.fullmatch(text):
            return datetime.fromisoformat(text).replace(microsecond=0).astimezone(UTC)
        found = _USUAL_RFC822.fullmatch(text)
        if found is None:
            return None
        day, month, year, hour, minute, second, zone = found.groups()
        moment = datetime(
            int(year), _USUAL_MONTHS[month], int(day), int(hour), int(minute), int(second),
            tzinfo=UTC,
        )  # fmt: skip
    except (KeyError, ValueError):
        return None
    if zone == "GMT" or zone[1:] == "0000":
        return moment
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    return moment - offset if zone[0] == "+" else moment + offset


_Reading = tuple[bool, datetime | None]
_NO: _Reading = (False, None)


def _iso(text: str) -> _Reading:
    found = _ISO.fullmatch(text)
    if not found or not (found[4] or not found[7]):
        return _NO
    if text[:8].isdigit() and not found[4] and len(text) != 8:
        return _NO
    return _made(found[1], found[2], found[3], found[4], found[5], found[6], None, found[7])


def _rfc822(text: str) -> _Reading:
    found = _RFC822.fullmatch(text)
    if not found:
        return _NO
    month = _month(found[2])
    if month is None:
        return _NO
    return _made(
        _full_year(found[3]), month, found[1], found[4], found[5], found[6], found[7], found[8]
    )


def _year_slash(text: str) -> _Reading:
    found = _SLASH_YEAR.fullmatch(text)
    if not found:
        return _NO
    return _made(found[1], found[2], found[3], *found.groups()[3:])


def _dotted(text: str) -> _Reading:
    found = _DOTTED.fullmatch(text)
    if not found:
        return _NO
    return _made(found[3], found[2], found[1], found[4], found[5], found[6], None, found[7])


def _slashed(text: str) -> _Reading:
    found = _SLASHED.fullmatch(text)
    if not found:
        return _NO
    month, day = found[1], found[2]
    if int(month) > 12:
        month, day = day, month
    return _made(found[3], month, day, *found.groups()[3:])


def _month_first(text: str) -> _Reading:
    found = _MONTH_FIRST.fullmatch(text)
    month = _month(found[1]) if found else None
    if not found or month is None:
        return _NO
    return _made(found[3], month, found[2], *found.groups()[3:])


def _ctime(text: str) -> _Reading:
    found = _CTIME.fullmatch(text)
    month = _month(found[1]) if found else None
    if not found or month is None:
        return _NO
    return _made(found[7], month, found[2], found[3], found[4], found[5], None, found[6])


def _unix(text: str) -> _Reading:
    found = _UNIX.fullmatch(text)
    if not found:
        return _NO
    seconds = int(found[1])
    if len(found[1]) > 10:
        seconds //= 1000
    return True, datetime.fromtimestamp(seconds, UTC)


def _made(
    year: str | int,
    month: str | int,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    half: str | None,
    zone: str | None,
) -> _Reading:
    """Put the parts together; a date that can't be (month 13, 32 May) is read as None."""
    hours = int(hour or 0)
    if half:
        if hours > 12:
            half = None  # "17:36 PM": the clock is right, the half is noise
        elif half[0] in "pP":
            hours = hours % 12 + 12
        else:
            hours %= 12
    extra = timedelta()
    if hours == 24 and int(minute or 0) == 0:
        hours, extra = 0, timedelta(days=1)
    seconds = int(second or 0)
    if seconds == 60:  # a leap second is the last moment of its minute and one more
        seconds, extra = 59, extra + timedelta(seconds=1)
    offset = _offset(zone or "")
    if offset is None:
        return _NO
    try:
        moment = datetime(
            int(year), int(month), int(day), hours, int(minute or 0), seconds, tzinfo=UTC
        )
        return True, moment + extra - timedelta(minutes=offset)
    except (ValueError, OverflowError):
        return True, None


def _offset(zone: str) -> int | None:
    """Return minutes east of UTC; None where ``zone`` is no zone."""
    zone = zone.strip()
    if not zone:
        return 0
    lowered = zone.lower()
    known = _ZONES.get(lowered.strip("()."))
    if known is not None:
        return known
    found = _OFFSET.fullmatch(lowered)
    if found:
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        if minutes > 18 * 60:
            # "+3000" for "+0300" or worse: no zone is that far off; the clock time is kept
            return 0
        return minutes if found[1] == "+" else -minutes
    if _ZONE_NAME.fullmatch(zone):
        return 0  # an unknown name says nothing; hours of error at most, as feedparser does
    return None


def _month(name: str) -> int | None:
    name = name.lower()
    for length in _MONTH_LENGTHS:
        if length <= len(name) and (number := _MONTHS.get(name[:length])):
            return number
    return None


def _full_year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    return year + (2000 if year < 70 else 1900)  # RFC 2822, section 4.3, moved to 1970


def _by_feedparser(text: str) -> datetime | None:
    try:
        parts = _feedparser_date(text)
        return None if parts is None else datetime.fromtimestamp(calendar.timegm(parts), UTC)
    except Exception:  # noqa: BLE001 - its readers raise a dozen kinds on hostile dates
        return None
