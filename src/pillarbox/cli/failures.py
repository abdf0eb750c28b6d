"""Exit codes (sysexits.h) and what the person at the terminal reads when a command fails.

One line for each thing that is wrong, with the fix in it; never a traceback.
"""

from enum import IntEnum

from pillarbox.errors import (
    AddressError,
    ConfigError,
    DirectoryError,
    NoSuchEntry,
    PillarboxError,
    SecretError,
    SpoolTrouble,
    SpoolUnavailable,
)


class ExitCode(IntEnum):
    """The codes of sysexits.h that Pillarbox uses."""

    USAGE = 64
    """The command was written wrongly."""
    DATA = 65
    """What was given can not be used: no valid address, a name that exists already …"""
    NO_INPUT = 66
    """A file that was named can not be read."""
    NO_SUCH = 67
    """There is no account, message … of that name."""
    UNAVAILABLE = 69
    """Something that is needed is not there: a package, the running service, the database."""
    SOFTWARE = 70
    """A fault of Pillarbox."""
    CANNOT_CREATE = 73
    """An output file can not be written."""
    IO_ERROR = 74
    """Reading or writing failed."""
    TRY_LATER = 75
    """Not now; the same command may work in a moment."""
    NO_PERMISSION = 77
    """The user may not read or write what is needed."""
    CONFIG = 78
    """The configuration is wrong."""


class Failure(PillarboxError):
    """A command can not do what was asked."""

    def __init__(self, code: ExitCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def describe(error: Exception) -> tuple[ExitCode, list[str]]:
    """Exit code and lines for an error that ended a command."""
    match error:
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] != "pillarbox":
            hint = 'pip install "pillarbox[server]"'
            return ExitCode.UNAVAILABLE, [f"this command needs the service's packages ({hint})"]
        case Failure(code=code):
            return code, [str(error)]
        case ConfigError(problems=problems):
            is_hidden = isinstance(error.__cause__, PermissionError)
            code = ExitCode.NO_PERMISSION if is_hidden else ExitCode.CONFIG
            return code, [str(problem) for problem in problems]
        case SpoolUnavailable():
            return _of_the_store(error)
        case SecretError():
            return ExitCode.CONFIG, [str(error)]
        case NoSuchEntry():
            return ExitCode.NO_SUCH, [str(error)]
        case AddressError() | DirectoryError() | PillarboxError():
            return ExitCode.DATA, [str(error)]
        case OSError():
            return _of_a_file(error)
    text = " ".join(str(error).split())
    hint = "run again with --traceback and report it"
    return ExitCode.SOFTWARE, [f"internal error: {type(error).__name__}: {text} ({hint})"]


def _of_the_store(error: SpoolUnavailable) -> tuple[ExitCode, list[str]]:
    match error.trouble:
        case SpoolTrouble.FULL:
            return ExitCode.TRY_LATER, [f"the disk is nearly full: {error.cause}"]
        case SpoolTrouble.AWAY:
            return ExitCode.TRY_LATER, [f"the database can not be used now: {error.cause}"]
        case SpoolTrouble.BAD:
            hint = "look at the disk, and whether database_url names the right file"
            return ExitCode.IO_ERROR, [f"the database can not be used: {error.cause} ({hint})"]


def _of_a_file(error: OSError) -> tuple[ExitCode, list[str]]:
    """`path: what is wrong`."""
    text = error.strerror or str(error)
    line = f"{error.filename}: {text}" if error.filename else text
    match error:
        case PermissionError():
            hint = "run the command as the user of the service or as root"
            return ExitCode.NO_PERMISSION, [f"{line} ({hint})"]
        case FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
            return ExitCode.NO_INPUT, [line]
    return ExitCode.IO_ERROR, [line]
