"""The options of sendmail: those that do something, and those that are taken and ignored.

Names and arguments are those of sendmail(8), Postfix and msmtp. docs/client-programs.md lists them.
"""

from typing import NamedTuple

WITH_ARGUMENT = frozenset("ABCDFLMNOQRVXbfhopr")
"""Options that have an argument, in the same word or in the next one."""

WITHOUT_ARGUMENT = frozenset("GIUcimnstvx")

IGNORED = frozenset("ABCDGILMOQUXchmnpsvxd")
"""Of no meaning here."""

MODES = {
    "m": "send",
    "s": "smtp",
    "p": "list",
    "i": "nothing",
}
"""-b, by its letter. `newaliases` (-bi) has nothing to do here."""

_NAMES = {"mailq": "list", "newaliases": "nothing"}
"""By the name under which the program was called."""


class UsageError(Exception):
    """The command was written wrongly."""


class Options(NamedTuple):
    """What was asked for. `sender` None: not named. `only` is the id of -qI."""

    mode: str = "send"
    sender: str | None = None
    full_name: str = ""
    from_header: bool = False
    dot_is_text: bool = False
    queue_only: bool = False
    only: str = ""
    notify: str = ""
    ret: str = ""
    envelope_id: str = ""
    profile: str = ""
    recipients: tuple[str, ...] = ()


def read_options(arguments: list[str], *, program: str = "") -> Options:
    """Read the arguments behind the name of the program. Raises UsageError."""
    found: dict[str, object] = {"mode": _NAMES.get(program, "send")}
    rest = list(arguments)
    recipients: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            recipients += rest
            break
        if word.startswith("--profile="):
            found["profile"] = word.partition("=")[2]
            if not found["profile"]:
                # As a variable that is not set leaves it: the usual profile may be another server.
                raise UsageError("--profile= names none")
        elif word == "--help":
            return Options("help")
        elif word.startswith("--"):
            raise UsageError(f"{word}: there is no such option (see docs/client-programs.md)")
        elif len(word) > 1 and word[0] == "-":
            _read_word(word[1:], rest, found)
        else:
            recipients.append(word)
    return Options(recipients=tuple(recipients), **found)  # type: ignore[arg-type] # by their names


def _read_word(letters: str, rest: list[str], found: dict[str, object]) -> None:
    """A word may be several letters without argument, and one with it: -tif a@b."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in "qd":
            # The argument is part of the word, and may be missing.
            if letters == "I" and letter == "q":
                letters += rest.pop(0) if rest else ""
            _take(letter, letters, found)
            return
        if letter in WITH_ARGUMENT:
            if not letters and not rest:
                raise UsageError(f"-{letter} needs an argument")
            _take(letter, letters or rest.pop(0), found)
            return
        if letter not in WITHOUT_ARGUMENT:
            raise UsageError(f"-{letter}: there is no such option (see docs/client-programs.md)")
        _take(letter, "", found)


def _take(letter: str, value: str, found: dict[str, object]) -> None:
    match letter:
        case "t":
            found["from_header"] = True
        case "i":
            found["dot_is_text"] = True
        case "f" | "r":
            found["sender"] = _bare(value)
        case "F":
            found["full_name"] = value
        case "N":
            found["notify"] = value
        case "R":
            found["ret"] = _ret(value)
        case "V":
            found["envelope_id"] = value
        case "b":
            if value not in MODES:
                raise UsageError(f"-b{value}: this is no server; there are -bm, -bs, -bp, -bi")
            found["mode"] = MODES[value]
        case "q":
            found["mode"] = "flush"
            found["only"] = _only(value)
        case "o":
            _take_o(value, found)


def _ret(value: str) -> str:
    if value.lower() not in ("full", "hdrs"):
        raise UsageError(f"-R {value}: write full or hdrs")
    return value


def _only(value: str) -> str:
    """The id behind -qI. How often a daemon would look (-q30m) is ignored."""
    if value == "I":
        raise UsageError("-qI needs the id of a message, as -bp shows it")
    return value[1:] if value.startswith("I") else ""


def _take_o(value: str, found: dict[str, object]) -> None:
    """-oi is -i, -odq puts into the spool alone; all others are ignored."""
    if value == "i":
        found["dot_is_text"] = True
    elif value == "dq":
        found["queue_only"] = True


def _bare(address: str) -> str:
    """`<>` is the null reverse-path, and brackets may stand around others."""
    return address[1:-1] if address.startswith("<") and address.endswith(">") else address
