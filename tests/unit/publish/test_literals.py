"""String literals of other languages (pillarbox.publish.literals)."""

import ast
import json
import re
import shlex

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.publish.literals import (
    csharp_literal,
    java_literal,
    javascript_literal,
    php_literal,
    powershell_literal,
    python_literal,
    shell_literal,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
awkward = st.text("'\"\\$`#{}%!u0041 \n\ta")


@given(texts | awkward)
def test_python_literal_means_the_text(text: str) -> None:
    """Python reads the literal as exactly the text."""
    assert ast.literal_eval(python_literal(text)) == text


@given(texts | awkward)
def test_javascript_literal_means_the_text(text: str) -> None:
    """JavaScript reads the literal as JSON does (ECMAScript 2019)."""
    assert json.loads(javascript_literal(text)) == text


@given(texts | awkward)
def test_php_literal_means_the_text(text: str) -> None:
    """In single quotes PHP knows two escapes, for the backslash and for the quote."""
    literal = php_literal(text)

    assert re.fullmatch(r"'(?:[^'\\]|\\\\|\\')*'", literal)
    assert re.sub(r"\\([\\'])", r"\1", literal[1:-1]) == text


@given(texts | awkward)
def test_csharp_literal_means_the_text(text: str) -> None:
    """C# knows backslash, quote and \\uXXXX; a raw control character would end the line."""
    literal = csharp_literal(text)

    assert re.fullmatch(r'"(?:[^"\\\x00-\x1f]|\\\\|\\"|\\u[0-9a-f]{4})*"', literal)
    assert _unescape(literal, r"u([0-9a-f]{4})", 16) == text


@given(texts | awkward)
def test_java_literal_means_the_text(text: str) -> None:
    """Java gets octal escapes: its \\u000a would be a line end inside the literal (JLS 3.3)."""
    literal = java_literal(text)

    assert re.fullmatch(r'"(?:[^"\\\x00-\x1f]|\\\\|\\"|\\[0-7]{3})*"', literal)
    assert _unescape(literal, r"([0-7]{3})", 8) == text


@given(texts | awkward)
def test_shell_literal_is_one_word(text: str) -> None:
    """A POSIX shell reads exactly one word, which is the text."""
    assert shlex.split(shell_literal(text)) == [text]


def _unescape(literal: str, number: str, base: int) -> str:
    """What a literal with backslash escapes and numbers of this form means."""
    return re.sub(
        rf"\\(?:{number}|(.))",
        lambda match: chr(int(match[1], base)) if match[1] else match[2],
        literal[1:-1],
    )


@given(texts | awkward | st.text("'\u2018\u2019\u201a\u201b$`x"))
def test_powershell_literal_means_the_text(text: str) -> None:
    """Inside of single quotes only quotes count, plain or typographic, and two of them are one."""
    literal = powershell_literal(text)
    inner = literal[1:-1]

    assert re.fullmatch(r"(?:[^'\u2018\u2019\u201a\u201b]|(['\u2018\u2019\u201a\u201b])\1)*", inner)
    assert re.sub(r"(['\u2018\u2019\u201a\u201b])\1", r"\1", inner) == text
