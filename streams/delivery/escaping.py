"""What a lead calls itself, as text that cannot be anything else: in HTML, in Slack's mrkdwn, in Markdown, in CSV."""

from __future__ import annotations

import re
from html import escape
from typing import Final

from streams.formulas import is_formula

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:@])")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

TEXT_MAX: Final = 300


def plain(text: str, length_max: int = TEXT_MAX) -> str:
    """Return text on one line without control characters (nor those that turn the writing round), not without end.

    >>> plain("Ann\\r\\nBcc: all@example.com")
    'Ann Bcc: all@example.com'
    """
    shown = _CONTROL.sub(" ", text).strip()
    return shown if len(shown) <= length_max else shown[: length_max - 1] + "…"


def html(text: str) -> str:
    """Return text for HTML, in elements and in quoted attributes.

    >>> html("<img src=x onerror='alert(1)'>")
    '&lt;img src=x onerror=&#x27;alert(1)&#x27;&gt;'
    """
    return escape(plain(text), quote=True)


def mrkdwn(text: str) -> str:
    """Return text for Slack: no links, no mentions, no formatting.

    >>> mrkdwn("<!channel> *now* <https://evil.example|click>")
    '&lt;!channel&gt; \\u200b*now\\u200b* &lt;https://evil.example|click&gt;'
    """
    # Slack asks for these three to be escaped, and has no escape for its formatting: a zero-width space breaks it.
    shown = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([*_~`])", "\u200b\\1", shown)


def markdown(text: str) -> str:
    """Return text for Markdown, as Teams' cards and many chats read it.

    >>> markdown("[click](https://evil.example) **now**")
    '\\\\[click\\\\]\\\\(https\\\\://evil\\\\.example\\\\) \\\\*\\\\*now\\\\*\\\\*'
    """
    return _MARKDOWN.sub(r"\\\1", plain(text))


def csv_cell(text: str) -> str:
    """Return text for a cell of a table that a spreadsheet opens: never a formula.

    >>> csv_cell("=HYPERLINK(1)"), csv_cell("Ann")
    ("'=HYPERLINK(1)", 'Ann')
    """
    shown = plain(text, 2_000)
    return f"'{shown}" if is_formula(shown) or is_formula(text) else shown
