"""Secrets: keys whose makers gave them a form, private keys, signed tokens, and what a text calls a password."""

from __future__ import annotations

import re

from tunewheel.data.privacy.numbers import Spans

# What each maker says its keys begin with; the first few characters are looked for before any pattern runs.
_FORMS = {
    "AKIA": r"AKIA[0-9A-Z]{16}",
    "ASIA": r"ASIA[0-9A-Z]{16}",
    "AIza": r"AIza[0-9A-Za-z_-]{35}",
    "ya29.": r"ya29\.[0-9A-Za-z_-]{20,500}",
    "LTAI": r"LTAI[0-9A-Za-z]{12,26}",
    "AKID": r"AKID[0-9A-Za-z]{32}",
    "gh": r"gh[pousr]_[0-9A-Za-z]{36,255}",
    "github_pat_": r"github_pat_[0-9A-Za-z_]{22,255}",
    "glpat-": r"glpat-[0-9A-Za-z_-]{20,255}",
    "xox": r"xox[abeoprs]-[0-9A-Za-z-]{10,255}",
    "sk-": r"sk-[0-9A-Za-z_-]{20,255}",
    "sk_": r"sk_(?:live|test)_[0-9A-Za-z]{16,255}",
    "rk_": r"rk_(?:live|test)_[0-9A-Za-z]{16,255}",
    "SG.": r"SG\.[0-9A-Za-z_-]{16,64}\.[0-9A-Za-z_-]{16,64}",
    "hf_": r"hf_[0-9A-Za-z]{30,64}",
    "npm_": r"npm_[0-9A-Za-z]{36}",
    "pypi-": r"pypi-[0-9A-Za-z_-]{50,500}",
    "dop_v1_": r"dop_v1_[0-9a-f]{64}",
    "tw_": r"tw_[0-9a-f]{12}_[0-9A-Za-z_-]{43}",
    "eyJ": r"eyJ[0-9A-Za-z_-]{8,4000}\.eyJ[0-9A-Za-z_-]{4,8000}\.[0-9A-Za-z_-]{0,1000}",
}
_KEYS = {start: re.compile(rf"(?<![0-9A-Za-z_-]){form}(?![0-9A-Za-z])") for start, form in _FORMS.items()}
_BEGIN, _END = "-----BEGIN ", "PRIVATE KEY-----"
_LONGEST_BLOCK = 20_000  # characters of a private key

_VALUE = r"[!-!#-&(-+\--:=?-Z\\^-~]"  # visible ASCII without quotes, commas, semicolons, angles and square brackets
_QUOTE = r"\\{0,3}[\"']"  # with backslashes where JSON stands in JSON, as in lines of logs
# The search for a value's end passes no quote that opens another: a text takes the time of its length.
_NAMED = re.compile(
    r"(?:pass(?:word|wd|phrase|code)|\bpwd|secret(?:[_-]?key)?|(?:api|access|private|client|auth)[_-]?(?:key|token|secret)|\btoken"
    r"|密码|口令|密钥|私钥|验证码|秘钥)"
    rf"(?:{_QUOTE})?"
    r"(?:(?P<sign>[ ]?(?:=|:=)[ ]?)|(?P<word>[ ]?(?::|是|为|\bis\b)[ ]?:?[ ]?))"
    rf"(?:(?P<quote>[\"'])(?P<quoted>(?:(?!(?P=quote))[^\n\0\\]|\\[^\n\0]){{4,4096}})(?P=quote)"
    r"|(?P<mark>\\{1,3}(?P<bare>[\"']))(?P<escaped>(?:(?!(?<!\\)(?:(?P=mark)|(?P=bare)))[^\n\0]){4,4096})(?P=mark)"
    r"|[“‘「『【](?P<framed>[^\n\0”’」』】]{4,256}|[^\n\0“‘「『【”’」』】]{257,4096})[”’」』】]"
    rf"|(?:{_QUOTE})?(?P<value>{_VALUE}{{4,}}))",
    re.I,
)
_NAMES = ("pass", "pwd", "secret", "key", "token", "密码", "口令", "密钥", "私钥", "验证码", "秘钥")
_BEARER = re.compile(r"\bBearer ([0-9A-Za-z._~+/-]{16,}=*)", re.I)
_BASIC = re.compile(rf"\bauthorization(?:{_QUOTE})?[ ]?[:=][ ]?(?:{_QUOTE})?basic ([0-9A-Za-z+/]{{6,}}=*)", re.I)


def secrets(text: str) -> Spans:
    """Keys by their form, blocks of private keys, bearer tokens, and values that are said to be secret."""
    for start, pattern in _KEYS.items():
        if start in text:
            for found in pattern.finditer(text):
                yield found.span()
    yield from _blocks(text)
    lower = text.lower()
    if "bearer " in lower:
        for found in _BEARER.finditer(text):
            yield found.span(1)
    if "basic " in lower:
        for found in _BASIC.finditer(text):
            yield found.span(1)
    if any(name in lower for name in _NAMES):
        for found in _NAMED.finditer(text):
            form = next(name for name in ("quoted", "escaped", "framed", "value") if found[name] is not None)
            value = found[form].rstrip(".!?)") if form == "value" else found[form]
            if _is_secret(value, assigned=found["sign"] is not None):
                yield found.start(form), found.start(form) + len(value)


def _is_secret(value: str, *, assigned: bool) -> bool:
    """Say whether a value may be a secret: in a sentence ("the password is wrong") a mere word is none."""
    if len(value) < 4 or value[0] in "{$*(<%" or len(set(value)) == 1:
        return False  # a placeholder, or stars
    return assigned or any(not character.isalpha() and not character.isspace() for character in value)


def _blocks(text: str) -> Spans:
    """Blocks of private keys; one whose end is missing reaches as far as a key may."""
    start = text.find(_BEGIN)
    while start >= 0:
        head = text.find(_END, start, start + 60)
        end = start + len(_BEGIN)
        if head >= 0:
            tail = text.find(_END, head + len(_END), start + _LONGEST_BLOCK)
            end = tail + len(_END) if tail >= 0 else _last_line(text, head + len(_END))
            yield start, end
        start = text.find(_BEGIN, end)


_BODY = re.compile(r"(?:[\s\\nr]*[0-9A-Za-z+/=]{16,}){0,400}")


def _last_line(text: str, at: int) -> int:
    found = _BODY.match(text, at, at + _LONGEST_BLOCK)
    return found.end() if found else at
