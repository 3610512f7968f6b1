"""One spelling for all addresses of one article, without a request.

``canonical_url`` gives a key to compare, not a link to show. It forgets: http or https, ``www.``
and mobile hosts, case (of the path too: two articles whose paths differ in case alone are not
known to exist in one feed), default ports, fragments, tracking parameters, session ids, the order
of parameters, AMP paths and caches, a slash or index page at the end. Redirects that carry their
target are resolved offline.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

MAX_URL = 4_000  # characters looked at; browsers and CDNs refuse longer ones

_CONTROL = re.compile(r"[\x00-\x20\x7f]+")
# Parameters that say how a reader came, not what is read: the lists that trackers document
# (Google utm_*, gclid; Meta fbclid; Microsoft msclkid; Mailchimp mc_*; HubSpot _hs*; Matomo mtm_*;
# AT Internet xtor, at_*; Adobe s_cid, cid variants; Yandex ysclid; Vero, Marketo, Olytics) and
# those seen on links in real feeds.
_TRACKING = re.compile(
    r"^(?:utm_.*|mtm_.*|matomo_.*|pk_.*|piwik_.*|at_.*|ga_.*|_ga|_gl|hsa_.*|_hs.*|mc_[ce]id|mkt_tok"
    r"|oly_.*|vero_.*|wt[._].*|itm_.*|int_.*|trk.*|ns_.*|sc_.*|s_cid|s_kwcid|icid|ito|xtor|xts"
    r"|[a-z]?gclid|gclsrc|gbraid|wbraid|dclid|fbclid|fb_.*|msclkid|twclid|ttclid|igshid|igsh|yclid"
    r"|ysclid|li_fat_id|srsltid|rb_clickid|zanpid|gad_source|epik|spm|scm"
    r"|ocid|cmp|cmpid|camp|campaign|campaign_id|cid_source|ncid|nsid|partner|partnerid|smid|smtyp"
    r"|taid|tsmic|sr_share|sharetype|share|shared|via|ref|ref_.*|referrer|referer|source|src|from"
    r"|feed|feedname|feedtype|rss|rssfeed|rss_.*|output|outputtype|amp|amp_.*|usqp|mobile|m|ftcamp"
    r"|guccounter|guce_.*|soc_.*|oc|ved|usg|sa|ct|cd|hl|gl|ceid|__twitter_impression|__tn__"
    r"|cb|_|rand|random|nocache|ts|timestamp|emailid|email_.*|newsletter|nl|smt|intcid|mod|reflink"
    r"|phpsessid|jsessionid|aspsessionid.*|sessionid|session_id|session|zenid|osadcampaign)$",
    re.IGNORECASE,
)
_SESSION = re.compile(r"^(?:sid|s|sess|token|v)$", re.IGNORECASE)
_TOKEN = re.compile(r"^(?=.*\d)[0-9a-z]{16,}$", re.IGNORECASE)
_MOBILE = frozenset({"www", "www2", "www3", "m", "mobile", "amp", "touch", "wap", "mobi"})
_AMP_PATH = re.compile(r"(?:/amp(?:\.html?)?|\.amp(?:\.html?)?|/amphtml)/?$", re.IGNORECASE)
_INDEX = re.compile(r"/(?:index|default)\.(?:html?|php\d?|aspx?|jsp)$", re.IGNORECASE)
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?;]*", re.IGNORECASE)
_IN_TOKEN = re.compile(rb"https?://[\x21-\x7e]+")

# The address of an article as most are: a host without a port and a path of plain letters.
_PLAIN_URL = re.compile(
    r"https?://((?:[a-z0-9-]+\.)+[a-z]{2,24})((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)/?"
)
# What makes it more than it seems: mobile and AMP pages, index pages, redirectors, caches.
_NOT_PLAIN = re.compile(
    r"//(?:www\d?|m|mobile|amp|touch|wap|mobi)\.|//[^./]+\.(?:m|mobile)\."
    r"|[/.]amp(?:[./]|html|project|$)|/(?:index|default)\."
    r"|//[^/]*(?:google\.|bing|facebook|instagram|outlook|umblr|youtube|reddit|vk\.com|slack"
    r"|linkedin|getpocket)",
    re.IGNORECASE,
)
# Redirectors whose address carries the target: host suffix, path start, parameters to look in.
_REDIRECTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("google.", "/url", ("url", "q")),
    ("bing.com", "/news/apiclick", ("url",)),
    ("facebook.com", "/l.php", ("u",)),
    ("instagram.com", "/", ("u",)),
    ("safelinks.protection.outlook.com", "/", ("url",)),
    ("t.umblr.com", "/redirect", ("z",)),
    ("youtube.com", "/redirect", ("q",)),
    ("out.reddit.com", "/", ("url",)),
    ("vk.com", "/away.php", ("to",)),
    ("slack-redir.net", "/link", ("url",)),
    ("linkedin.com", "/redir/redirect", ("url",)),
    ("getpocket.com", "/redirect", ("url",)),
    ("news.url.google.com", "/url", ("url", "q")),
)


def canonical_url(url: str | None) -> str | None:
    """Return the canonical form of a web address ("//host/path?query"), or None.

    None for what is no http(s) address with a host; never raises.
    """
    if not url:
        return None
    plain = _PLAIN_URL.fullmatch(url, 0, MAX_URL)
    if plain and not _NOT_PLAIN.search(url):
        return f"//{plain[1]}{plain[2].lower()}"
    for _ in range(4):  # a wrapper in a wrapper; four bound the work
        parts = _split(url)
        if parts is None:
            return None
        host, path, query = parts
        target = _unwrapped(host, path, query)
        if target is None or _split(target) is None:
            break
        url = target
    path = _path(path)
    kept = sorted(pair for pair in _pairs(query) if not _is_noise(*pair))
    return f"//{_host(host)}{path}" + (f"?{urlencode(kept)}" if kept else "")


def is_root(canonical: str) -> bool:
    """Tell whether a canonical address is a site's front page, which identifies no article."""
    return "?" not in canonical and canonical.count("/") == 3 and canonical.endswith("/")


def site(url: str | None) -> str | None:
    """Return the host of a web address in canonical form ("example.com"), or None."""
    canonical = canonical_url(url)
    return None if canonical is None else canonical[2:].split("/", 1)[0]


def _split(url: str) -> tuple[str, str, str] | None:
    """Return (host with port, path, query) of an http(s) address, else None."""
    cleaned = _CONTROL.sub("", url[:MAX_URL])
    if cleaned.startswith("//"):
        cleaned = "https:" + cleaned
    try:
        parts = urlsplit(cleaned)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https", "feed"} or not host:
        return None
    host = host.rstrip(".")
    return (f"{host}:{port}" if port not in {None, 80, 443} else host), parts.path, parts.query


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=200)
    except ValueError:  # more than 200 fields: no address of an article
        return [(query, "")]


def _is_noise(name: str, value: str) -> bool:
    if _TRACKING.match(name):
        return True
    return bool(_SESSION.match(name) and _TOKEN.match(value))


def _host(host: str) -> str:
    name, _, port = host.partition(":")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            name = name.casefold()
    labels = name.lower().split(".")
    while len(labels) > 2 and labels[0] in _MOBILE:
        labels.pop(0)
    if len(labels) > 3 and labels[1] in {"m", "mobile"}:  # en.m.wikipedia.org
        labels.pop(1)
    return ".".join(labels) + (f":{port}" if port else "")


def _path(path: str) -> str:
    out = unquote(_PATH_SESSION.sub("", path), errors="replace").casefold()
    segments: list[str] = []
    for segment in out.split("/"):
        if segment == "..":
            if segments:
                segments.pop()
        elif segment not in {"", "."}:
            segments.append(segment)
    out = "/" + "/".join(segments)
    out = _AMP_PATH.sub("", _INDEX.sub("", out))
    if out.startswith("/amp/") and out.count("/") > 2:
        out = out[4:]
    return quote(out.rstrip("/") or "/", safe="/:@!$&'()*+,;=-._~")


def _unwrapped(host: str, path: str, query: str) -> str | None:
    """Return the address a redirector or AMP cache stands for, or None."""
    name = _host(host).partition(":")[0]
    if name.endswith((".cdn.ampproject.org", ".ampproject.net")):
        return _amp_target(path.lstrip("/"), ("c", "v", "i", "a"))
    if path.startswith("/amp/") and (".google." in f".{name}" or name.endswith("bing.com")):
        return _amp_target(path[len("/amp/") :], ())
    if name == "news.google.com":
        return _google_news_target(path)
    for suffix, start, names in _REDIRECTS:
        known = f".{name}".endswith(f".{suffix}") or (
            suffix.endswith(".") and f".{suffix}" in f".{name}"
        )
        if known and path.startswith(start):
            given = dict(_pairs(query))
            for each in names:
                if given.get(each, "").lower().startswith(("http://", "https://")):
                    return given[each]
    return None


def _amp_target(rest: str, kinds: tuple[str, ...]) -> str | None:
    """Read "c/s/host/path": a kind (caches only), "s" for https, then the address."""
    head, _, tail = rest.partition("/")
    if kinds:
        if head not in kinds:
            return None
        head, _, tail = tail.partition("/")
    if head == "s":
        return f"https://{tail}" if tail else None
    return f"http://{head}/{tail}" if "." in head else None


def _google_news_target(path: str) -> str | None:
    """Return the address inside an old Google News token; new ones are opaque (None)."""
    token = path.rsplit("/", 1)[-1]
    if "/articles/" not in path or not token.startswith("CB"):
        return None
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    found = _IN_TOKEN.search(raw)
    return found[0].decode("ascii") if found else None
