"""One text repaired: mojibake, Unicode form, invisible and control characters, HTML remains, white space.

Nothing is done that could change what a text says: letters, punctuation, quotes, case and line order stay.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Spaces = Literal["full", "ends", "off"]

# A text without any of these needs no repair; most texts leave here.
_SUSPICIOUS = re.compile(r"[^\x20-\x7e]|  |^ | $|&|<")
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_LONE = re.compile("[\ud800-\udfff]")
# Never of use in a text: soft hyphen, zero-width space, word joiner, byte-order mark, embeddings of direction, fillers.
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\u202a-\u202e\u2066-\u2069]")
# Nobody lets a number, or a word before a capital, be torn at a line end: soft hyphens there are hyphens that a program wrote so.
_HARD = re.compile(r"\w\u00ad[\dA-Z]|\d\u00ad\w")
_SOFT = re.compile(r"(?<=\w)\u00ad(?=\w)")
_MARKS = re.compile("[\u200e\u200f\u061c]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
# Joiners belong between letters of Arabic, Indic and other scripts and inside emoji; beside Latin letters, digits or
# blanks they are remains of a copy.
_JOINER = re.compile(
    "(?<![\u0590-\u1fff\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]+|[\u200c\u200d]+(?=[\\s\x20-\x7e]|$)"
)
_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0001-\U000e007f]+")  # flags of regions need them
_BLANKS_KEEP_WIDE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")  # U+3000 is the blank of CJK texts
_RUN = re.compile(r"(?<=\S)[ \t]{2,}|(?<=\S)\t")
_BEFORE_BREAK = re.compile(r"(?<![ \t])[ \t]++(?=\n)")  # a long run is looked at once, not from each of its blanks
_EMPTY_LINES = re.compile(r"\n{3,}")

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_NAMES = (
    "a|abbr|article|aside|b|blockquote|body|br|button|caption|center|cite|code|col|colgroup|dd|del|div|dl|dt|em|figcaption|"
    "figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|label|li|link|main|mark|meta|nav|ol|option|p|"
    "picture|pre|q|s|section|select|small|source|span|strike|strong|sub|summary|sup|svg|table|tbody|td|textarea|tfoot|th|"
    "thead|time|title|tr|u|ul|var|video|wbr"
)
_ELEMENT = re.compile(rf"</?(?:{_NAMES})(?:\s[^<>]{{0,2000}})?/?>", re.I)
_HIDING = re.compile(r"<(?P<name>script|style|noscript|template)\b[^<>]*>|(?P<comment><!--)|<!doctype[^<>]*>", re.I)
_SHOWING = {name: re.compile(rf"</{name}\s*>", re.I) for name in ("script", "style", "noscript", "template")}
_SHOWING["<!--"] = re.compile("-->")
_BLOCK = re.compile(
    r"</?(?:article|aside|blockquote|br|caption|dd|div|dl|dt|figure|footer|form|h[1-6]|header|hr|li|main|nav|ol|option|p|pre|"
    r"section|table|tbody|tfoot|thead|title|tr|ul)(?:\s[^<>]*)?/?>",
    re.I,
)
_CODE = re.compile(r"```|<\?(?:php|xml)|#include\s*<|</?(?:xsl|x):")


@dataclass(frozen=True)
class RepairOptions:
    """What `repair` does. form: 'NFC', 'NFKC' or None. spaces: 'full' (runs, ends, empty lines), 'ends' (of lines), 'off'."""

    mojibake: bool = True
    form: Literal["NFC", "NFKC"] | None = "NFC"
    invisible: bool = True
    control: bool = True
    html: bool = True
    spaces: Spaces = "full"


def repair(text: str, options: RepairOptions) -> tuple[str, tuple[str, ...]]:
    """The repaired text and what was repaired ('mojibake', 'HTML remains', ...); the same text and () where nothing was.

    Repairing twice changes nothing more. Any str is taken: a lone surrogate becomes U+FFFD. ftfy mends the mojibake, line
    by line, so that one broken line does not decide for a whole document. Choose `spaces='ends'` and `html=False` for
    texts that a model shall write (code, markup, indentation), as the `repair` step does by itself.
    """
    if not _SUSPICIOUS.search(text):
        return text, ()
    done: dict[str, None] = {}
    before = text
    for _ in range(3):  # unescaping may bring a control character to light, and stripping a tag a blank
        start = text
        for name, make in _WORK:
            new = make(text, options)
            if new != text:
                done[name] = None
                text = new
        if text == start:
            break
    return (text, tuple(done)) if text != before else (before, ())


def _mojibake(text: str, options: RepairOptions) -> str:
    if not options.mojibake or text.isascii():
        return text
    import ftfy

    return "\n".join(line if line.isascii() else ftfy.fix_encoding(line) for line in text.split("\n"))


def _html(text: str, options: RepairOptions) -> str:
    if not options.html or ("&" not in text and "<" not in text) or _CODE.search(text):
        return text
    if "<" in text:
        text = _without_hidden(text)
        text = _ELEMENT.sub(lambda found: "\n" if _BLOCK.fullmatch(found[0]) else "", text)
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


def _without_hidden(text: str) -> str:
    """`text` with a blank for each comment, script and the like; what is opened and never closed stays as it is."""
    parts, kept_to, at = [], 0, 0
    never_closed: set[str] = set()
    while opened := _HIDING.search(text, at):
        at = opened.end()
        kind = (opened["name"] or opened["comment"] or "").lower()
        if kind in never_closed:
            continue
        if kind:
            closed = _SHOWING[kind].search(text, at)
            if closed is None:  # looked for once, not from each opening: that would take quadratic time
                never_closed.add(kind)
                continue
            at = closed.end()
        parts += [text[kept_to : opened.start()], " "]
        kept_to = at
    return "".join([*parts, text[kept_to:]])


def _control(text: str, options: RepairOptions) -> str:
    if not options.control:
        return text
    text = _BREAKS.sub("\n", text)
    text = _CONTROL.sub("", text)
    if _LONE.search(text):
        paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = _LONE.sub("\ufffd", paired)
    return text


def _invisible(text: str, options: RepairOptions) -> str:
    if not options.invisible or text.isascii():
        return text
    if "\u00ad" in text and _HARD.search(text):
        text = _SOFT.sub("-", text)
    text = _TAGS.sub("", _JOINER.sub("", _INVISIBLE.sub("", text)))
    return text if _RIGHT_TO_LEFT.search(text) else _MARKS.sub("", text)


def _form(text: str, options: RepairOptions) -> str:
    if options.form is None or unicodedata.is_normalized(options.form, text):
        return text
    return unicodedata.normalize(options.form, text)


def _spaces(text: str, options: RepairOptions) -> str:
    if options.spaces == "off":
        return text
    text = _BEFORE_BREAK.sub("", text)
    if options.spaces == "ends":
        return text
    text = _BLANKS_KEEP_WIDE.sub(" ", text)
    text = _RUN.sub(" ", text)
    text = _BEFORE_BREAK.sub("", text)
    return _EMPTY_LINES.sub("\n\n", text).strip(" \t\n\u3000")


_WORK = (
    ("mojibake", _mojibake),
    ("HTML remains", _html),
    ("control characters", _control),
    ("invisible characters", _invisible),
    ("Unicode form", _form),
    ("white space", _spaces),
)
