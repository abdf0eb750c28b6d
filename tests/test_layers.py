"""The layers of src/pillarbox: who may import whom, what is pure, how long things may get.

The rule stands in docs/architecture.md. It is enforced here, from the source text alone.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pillarbox"

LAYERS = (
    ("errors", "values"),
    ("mail",),
    ("explain", "oauth", "hop_caps", "mta_sts", "tlsrpt", "sources"),
    ("smtp", "route", "retry", "publish"),
    ("discovery", "microsoft365_caps"),
    ("diagnosis",),
    ("config", "observe", "files", "processors", "standard_streams"),
    ("net", "store"),
    ("policy", "delivery", "outcome", "emulate"),
    ("reception", "scheduler", "client"),
    ("doctor", "first_start", "testing", "profiles"),
    ("app", "sendmail", "django", "logs"),
    ("worker",),
    ("supervisor",),
    ("cli",),
    ("__main__",),
)
"""From the bottom up. A part imports from lower layers only, so not from those beside it."""

PURE = {
    *("errors", "values", "mail", "explain", "oauth", "smtp", "route", "retry", "publish"),
    *("discovery", "diagnosis"),
    *("microsoft365_caps", "hop_caps", "mta_sts", "tlsrpt", "sources"),
}
IMPURE_MODULES = {
    *("asyncio", "logging", "os", "pathlib", "random", "secrets", "socket", "sqlite3", "ssl"),
    *("subprocess", "threading", "time", "uuid"),
}
CLOCK_CALLS = {"now", "today", "utcnow"}

SQL_MODULES = {"alembic", "psycopg", "pysqlite3", "sqlalchemy", "sqlite3"}
SOCKET_MODULES = {"socket", "ssl"}
SOCKET_CALLS = {
    *("create_connection", "create_server", "open_connection", "open_unix_connection"),
    *("start_server", "start_unix_server"),
}
SOCKET_PARTS = {
    *("reception", "delivery", "net", "client", "doctor", "app", "supervisor"),
    *("emulate", "testing"),
}

LIGHT = PURE | {"client", "doctor", "profiles", "sendmail", "logs", "standard_streams"}
"""What `pip install pillarbox` without extras must be able to import."""
LIGHT_LIBRARIES = {"dns", "h11", "idna", "publicsuffixlist"}
EXTRA_LIBRARIES = {"cryptography", "dkim", "keyring", "msal"}
"""What extras of the library bring: imported where it is used, and told where it is missing."""
SERVER_PARTS = {"store", "policy", "delivery", "outcome", "reception", "scheduler", "app"}

EMULATOR_PARTS = {"emulate", "smtp", "mail", "net", "explain", "errors", "files"}
"""What the emulator of Microsoft 365 may use."""

FILE_LINES = 400
FUNCTION_LINES = 40

NOT_SHORTENED = "store/migrations/versions"
"""A migration is a list of statements that is never changed again."""

FILES = sorted(SOURCE.rglob("*.py"))
ALL_FILES = FILES + sorted((ROOT / "tests").rglob("*.py")) + sorted((ROOT / "bench").glob("*.py"))


def _rank(part: str) -> int:
    return next(rank for rank, parts in enumerate(LAYERS) if part in parts)


def _part(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a file imports; `from a import b` is a.b."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _lines_of_functions(file: Path) -> set[int]:
    return {
        line
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }


def _ours(file: Path) -> Iterator[tuple[int, str]]:
    """Line and part of what a file imports from Pillarbox."""
    for line, name in _imports(file):
        top, _, rest = name.partition(".")
        if top == "pillarbox":
            yield line, rest.partition(".")[0]


def _by_name(files: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", files, ids=[_name(file) for file in files])


def test_the_page_shows_the_layers() -> None:
    """From the top down, and no part that there is not."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = page.partition("## Layers")[2].partition("\n    ")[2].partition("\n\n")[0]
    layers = [set(line.strip().split(" | ")) for line in shown.splitlines()]

    assert layers == [set(parts) for parts in reversed(LAYERS[:-1])]
    assert {part for layer in layers for part in layer} | {"__main__"} == {
        path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()
    } - {"__init__", "__pycache__"}


@_by_name([file for file in FILES if file != SOURCE / "__init__.py"])
def test_imports_go_downward_only(file: Path) -> None:
    """No part imports from its own layer or from a higher one."""
    part = _part(file)

    wrong = [
        f"line {line}: {part} imports {other}"
        for line, other in _ours(file)
        if other not in {part, "__version__"} and _rank(other) >= _rank(part)
    ]

    assert not wrong


@_by_name([file for file in FILES if _part(file) in PURE])
def test_pure_parts_have_no_clock_no_files_and_no_network(file: Path) -> None:
    """What decides can be tested without a socket, a file or a clock."""
    wrong = [
        f"line {line}: {name}"
        for line, name in _imports(file)
        if name.partition(".")[0] in IMPURE_MODULES
    ]
    wrong += [
        f"line {node.lineno}: {node.func.attr}()"
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCK_CALLS
        and not node.args
    ]

    assert not wrong


@_by_name([file for file in FILES if _part(file) in LIGHT])
def test_the_light_library_needs_no_package_of_the_server(file: Path) -> None:
    """`pip install pillarbox` alone can import everything that is not the server."""
    wrong = [
        f"line {line}: {name}"
        for line, name in _imports(file)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names
        and top not in LIGHT_LIBRARIES | {"pillarbox"}
        and not (top in EXTRA_LIBRARIES and line in _lines_of_functions(file))
    ]

    assert not wrong


@_by_name([file for file in FILES if _part(file) in LIGHT])
def test_client_and_doctor_do_not_need_the_server(file: Path) -> None:
    """The library and the doctor install without the server."""
    assert not [f"line {line}: {other}" for line, other in _ours(file) if other in SERVER_PARTS]


@_by_name([file for file in FILES if _part(file) == "emulate"])
def test_the_emulator_shares_little_with_the_service(file: Path) -> None:
    """One mistake must not stand on both sides of a test."""
    assert {other for _, other in _ours(file)} <= EMULATOR_PARTS


@_by_name(FILES)
def test_sql_stays_in_the_store(file: Path) -> None:
    """Only store knows the database."""
    if _part(file) == "store":
        return

    assert not [name for _, name in _imports(file) if name.partition(".")[0] in SQL_MODULES]


@_by_name(FILES)
def test_sockets_stay_where_they_belong(file: Path) -> None:
    """Only the shells around the protocol cores, and what starts them, touch the network."""
    if _part(file) in SOCKET_PARTS:
        return

    wrong = [name for _, name in _imports(file) if name.partition(".")[0] in SOCKET_MODULES]
    wrong += [
        f"line {node.lineno}: {node.func.attr}"
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in SOCKET_CALLS
    ]

    assert not wrong


@_by_name(FILES)
def test_private_names_stay_in_their_module(file: Path) -> None:
    """Nobody imports a name of ours that begins with an underscore."""
    wrong = [
        f"line {line}: {name}"
        for line, name in _imports(file)
        if name.startswith("pillarbox.")
        and any(piece.startswith("_") and not piece.startswith("__") for piece in name.split("."))
    ]

    assert not wrong


@_by_name(ALL_FILES)
def test_files_stay_short(file: Path) -> None:
    """A file that grows is split by responsibility."""
    assert len(file.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@_by_name([file for file in FILES if NOT_SHORTENED not in str(file)])
def test_functions_stay_short(file: Path) -> None:
    """A function can be read at one glance; its docstring does not count."""
    wrong = []
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            text = (first.end_lineno or 0) - first.lineno + 1 if is_text else 0
            lines = (node.end_lineno or 0) - node.lineno + 1 - text
            if lines > FUNCTION_LINES:
                wrong.append(f"line {node.lineno}: {node.name} has {lines} lines")

    assert not wrong


def test_every_part_has_its_layer() -> None:
    """A new part of the package must be given a place in the layers."""
    known = {part for parts in LAYERS for part in parts}

    assert {_part(file) for file in FILES} - {"__init__"} <= known
