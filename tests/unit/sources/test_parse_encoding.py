"""Which alphabet a feed is in, whatever it says."""

from __future__ import annotations

import pytest

from monitor.sources.parse import parse
from monitor.sources.parse.decode import decode

RUSSIAN = "Россия поставит оружие Сирии, сообщил представитель министерства обороны"
GERMAN = "Größere Straßen für Köln: Bürgermeister lädt zur Übung"


def feed(text: str, declared: str | None = None) -> str:
    head = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    return f'{head}<rss version="2.0"><channel><item><title>{text}</title></item></channel></rss>'


@pytest.mark.parametrize(
    ("text", "codec", "declared", "content_type"),
    [
        (RUSSIAN, "utf-8", "UTF-8", None),
        (RUSSIAN, "utf-8", None, None),
        (RUSSIAN, "cp1251", "windows-1251", None),
        (RUSSIAN, "cp1251", None, "text/xml; charset=windows-1251"),
        (RUSSIAN, "koi8-r", "koi8-r", None),
        (RUSSIAN, "utf-8", "windows-1251", None),
        (RUSSIAN, "utf-8", "iso-8859-1", "text/xml; charset=iso-8859-1"),
        (RUSSIAN, "utf-8", "utf-16", None),
        (RUSSIAN, "cp1251", "utf-8", "text/xml; charset=windows-1251"),
        ("中国军售叙利亚镕", "gb18030", "gb2312", None),
        ("日本の首相が会見", "shift_jis", "Shift_JIS", None),
        ("日本の首相が会見", "iso2022_jp", "iso-2022-jp", None),
        ("한국 대통령", "euc_kr", "euc-kr", None),
        (GERMAN, "latin-1", "iso-8859-1", None),
        ("“quotes” – and €", "cp1252", "iso-8859-1", None),
        (GERMAN, "latin-1", None, None),
        ("Türkiye'de çalışma", "iso8859-9", "iso-8859-9", None),
    ],
)
def test_titles_survive(
    text: str, codec: str, declared: str | None, content_type: str | None
) -> None:
    parsed = parse(feed(text, declared).encode(codec), content_type=content_type)
    assert parsed.entries[0].title == text


def test_undeclared_cyrillic_is_guessed() -> None:
    parsed = parse(feed(". ".join([RUSSIAN] * 6)).encode("cp1251"))
    assert parsed.entries[0].title.startswith(RUSSIAN)
    assert any("read as" in note for note in parsed.notes)


def test_one_bad_byte_leaves_the_rest_alone() -> None:
    body = feed(f"{RUSSIAN} X", "utf-8").encode().replace(b"X", b"\x93")
    assert parse(body).entries[0].title == f"{RUSSIAN} “"


def test_stray_windows_quotes_in_english_utf_8() -> None:
    body = feed("It X s in café", "utf-8").encode().replace(b" X ", b"\x92")
    assert parse(body).entries[0].title == "It’s in café"


def test_double_encoded_utf_8_is_mended() -> None:
    doubled = GERMAN.encode().decode("latin-1")
    assert parse(feed(doubled, "utf-8").encode()).entries[0].title == GERMAN


def test_whitespace_before_the_declaration() -> None:
    body = b"\xef\xbb\xbf\r\n  " + feed(GERMAN, "utf-8").encode()
    assert parse(body).entries[0].title == GERMAN


def test_garbage_never_raises() -> None:
    for body in (
        b"\xff" * 10_000,
        bytes(range(256)) * 100,
        b"\xff\xfe\x00",
        b"\x00\x00\xfe\xff\x00",
    ):
        assert isinstance(decode(body, "text/xml; charset=\x00").data.decode("utf-8"), str)
