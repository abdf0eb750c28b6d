"""Text as a string literal of a programming language: a pasted snippet means just that text.

Pure. A password may hold quotes, backslashes, dollar signs and whatever else a keyboard has.
"""

import json
import shlex

_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"


def python_literal(text: str) -> str:
    """A Python string literal in double quotes. JSON's escapes all mean the same in Python, except
    that JSON writes characters beyond U+FFFF as surrogate pairs; those stay as they are."""
    return json.dumps(text, ensure_ascii=False)


def javascript_literal(text: str) -> str:
    """A JavaScript string literal: JSON is a subset of ECMAScript since ES2019."""
    return json.dumps(text, ensure_ascii=False)


def php_literal(text: str) -> str:
    """A PHP string literal in single quotes: no variables, only backslash and quote are escaped."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def csharp_literal(text: str) -> str:
    """A regular C# string literal; control characters as \\uXXXX."""
    return '"' + "".join(_escape(character, "\\u{:04x}") for character in text) + '"'


def java_literal(text: str) -> str:
    r"""A Java string literal; control characters in octal, because Java reads \u000a as a line end
    before it looks at literals (JLS 3.3)."""
    return '"' + "".join(_escape(character, "\\{:03o}") for character in text) + '"'


def shell_literal(text: str) -> str:
    """One word of a POSIX shell."""
    return shlex.quote(text)


def powershell_literal(text: str) -> str:
    """A PowerShell string literal in single quotes. Typographic quotes end it just like the plain
    one, and all are escaped by doubling (about_Quoting_Rules)."""
    doubled = "".join(c * 2 if c in _POWERSHELL_QUOTES else c for c in text)
    return f"'{doubled}'"


def _escape(character: str, form: str) -> str:
    if character in '\\"':
        return "\\" + character
    return form.format(ord(character)) if ord(character) < 0x20 else character
