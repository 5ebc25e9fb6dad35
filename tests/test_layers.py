"""A package imports only packages above it; what is below stays out of sight. Read from the source, so nothing escapes.

The order is the one of docs/architecture.md. `_engine` and everything above it is pure, and so is `_analysis`: no
sockets, no files, no clock.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "puretls"
MAY_IMPORT = {
    "_base": set(),
    "_crypto": {"_base"},
    "_wire": {"_base"},
    "_record": {"_base", "_crypto"},
    "_x509": {"_base"},
    "_engine": {"_base", "_crypto", "_wire", "_record", "_x509"},
    "_api": {"_base", "_crypto", "_wire", "_record", "_x509", "_engine"},
    "fleet": {"_base"},
    "asyncio": {"_base", "_record", "_api"},
    "keys": {"_api"},  # public names, loaded when they are asked for
    "__init__": {"_api", "_base"},
    "__main__": {"cli"},
    "_analysis": {"_base", "_crypto", "_wire", "_record"},
    "cli": {
        "",
        "fleet",
        "asyncio",
        "_analysis",
        "_base",
    },  # the public names, like any user; what explains TLS to people; locks
}
PURE = {"_base", "_crypto", "_wire", "_record", "_x509", "_engine", "_analysis"}
WORLD = {"asyncio", "logging", "os", "pathlib", "random", "select", "selectors", "socket", "ssl", "subprocess", "time"}
ALLOWED = {"os.urandom"}  # the default where randomness is not a parameter
BORDERS = {"_x509/store.py"}  # reads certificate files and directories for the API: that is its task


PATHS = sorted(SOURCE.rglob("*.py"))
NAMES = [path.relative_to(SOURCE).as_posix() for path in PATHS]
each_module = pytest.mark.parametrize(("path", "name"), list(zip(PATHS, NAMES, strict=True)), ids=NAMES)


def imported(path: Path, package: tuple[str, ...] | None = None) -> Iterator[str]:
    """Full dotted names of everything a module imports, wherever in the file."""
    if package is None:
        package = ("puretls", *path.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*base, *((node.module,) if node.module else ())))
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def layer_of(dotted: str) -> str | None:
    """The layer an imported name belongs to: "" for the public names, None outside of puretls."""
    first, _, rest = dotted.partition(".")
    if first != "puretls":
        return None
    second = rest.partition(".")[0]
    return second if second in MAY_IMPORT else ""


@each_module
def test_imports_only_go_up(path: Path, name: str) -> None:
    layer = name.partition("/")[0].removesuffix(".py")
    found = {layer_of(dotted) for dotted in imported(path)} - {None, layer}
    assert found <= MAY_IMPORT[layer], f"{name} reaches down to {sorted(map(str, found - MAY_IMPORT[layer]))}"


@each_module
def test_the_engine_knows_no_socket_file_or_clock(path: Path, name: str) -> None:
    if name.partition("/")[0] in PURE and name not in BORDERS:
        assert not {dotted.partition(".")[0] for dotted in imported(path) if dotted not in ALLOWED} & WORLD


def test_every_package_has_a_place() -> None:
    assert {
        name for path in SOURCE.glob("[_a-z]*") if (name := path.name.removesuffix(".py")) and name != "py.typed"
    } <= {
        *MAY_IMPORT,
        "__pycache__",
    }


# Inside a package, too, imports go one way, those for types included: what knows each other in a circle cannot be read,
# or changed, one after the other.

OF_TYPES = "what it is handed knows it: the import is for types alone"
LATE = "what has made it, or what it makes, knows it: imported where it is needed, in a function"
CIRCLES = {  # what closes a circle all the same, and why
    "_api/types.py": dict.fromkeys(("bio", "context", "sslobject", "sslsocket"), OF_TYPES),
    "_api/client_sessions.py": {"context": OF_TYPES},
    "_api/objects.py": {"context": OF_TYPES},
    "_api/answers.py": {"sslconnection": OF_TYPES},
    "_api/judging.py": {"sslconnection": OF_TYPES},
    "_api/early_data.py": {"sslconnection": OF_TYPES},
    "_api/selecting.py": {"sslconnection": OF_TYPES},
    "_api/connection_facts.py": {"context": LATE},
    "_api/sslconnection.py": {"context": OF_TYPES},
    "_api/over_bio.py": {"context": OF_TYPES},
    "_api/socket_sending.py": {"context": OF_TYPES},
    "_api/sslobject.py": {"context": LATE},
    "_api/sslsocket.py": {"context": LATE},
    "cli/render.py": {"rich_screen": LATE},
}


def within(package: str) -> dict[str, set[str]]:
    """Which modules of a package each of them imports, but for what is listed above."""
    found = {path.stem: set() for path in (SOURCE / package).glob("*.py")}
    for path in (SOURCE / package).glob("*.py"):
        listed = CIRCLES.get(f"{package}/{path.name}", {})
        for dotted in imported(path):
            parts = dotted.split(".")
            if parts[:2] == ["puretls", package] and len(parts) > 2 and parts[2] in found and parts[2] not in listed:
                found[path.stem].add(parts[2])
    return found


def circle(graph: dict[str, set[str]]) -> set[str]:
    """Modules that remain when those which import nothing of the rest are taken away, again and again."""
    left = dict(graph)
    while done := {name for name, others in left.items() if not others & left.keys() - {name}}:
        left = {name: others for name, others in left.items() if name not in done}
    return set(left)


@pytest.mark.parametrize("package", sorted({path.parent.name for path in PATHS} - {"puretls"}))
def test_no_module_is_in_a_circle(package: str) -> None:
    assert not circle(within(package)), "import one way, or say in CIRCLES why not"


def test_what_is_listed_closes_a_circle() -> None:
    """Nothing stays in the list when its reason is gone."""
    for path, others in CIRCLES.items():
        package, _, name = path.removesuffix(".py").partition("/")
        for other in others:
            graph = within(package)
            graph[name].add(other)
            assert other in {dotted.split(".")[2] for dotted in imported(SOURCE / path) if dotted.count(".") > 1}
            assert circle(graph), f"{path} may import {other}"


FAST = {  # where transports may look into the record layer: a call would cost as much as the rest
    "_api/over_socket.py": {"read"},
    "_api/socket_sending.py": {"write", "_write_record", "_flush"},
}


def reaching_in(tree: ast.AST) -> Iterator[str]:
    """Functions that use a field of the record layer's halves."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and node.attr in {"inbound", "outbound"}:
                    yield function.name


@each_module
def test_transports_ask_the_record_layer_and_do_not_look_into_it(path: Path, name: str) -> None:
    """Except in the first lines of reads and writes, and where no signal handler may come between."""
    if name.partition("/")[0] in {"_api", "asyncio"}:
        assert set(reaching_in(ast.parse(path.read_text("utf-8")))) == FAST.get(name, set())


# Tests, too, import only what is made to be shared.

TESTS = Path(__file__).parent


def test_no_test_file_imports_another() -> None:
    """What several of them need lives in tests/support."""
    files = {path.stem for path in TESTS.rglob("test_*.py")}
    found = [
        (path.name, dotted)
        for path in TESTS.rglob("*.py")
        for dotted in imported(path, ())
        if dotted.partition(".")[0] in files
    ]
    assert not found


def test_no_two_classes_of_the_tests_share_a_name() -> None:
    """Whoever reads `Pair` in a test knows which it is."""
    where: dict[str, list[str]] = {}
    for path in TESTS.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                where.setdefault(node.name, []).append(path.relative_to(TESTS).as_posix())
    programs = {
        path.relative_to(TESTS).as_posix() for path in TESTS.glob("ecosystem/programs/*.py")
    }  # run by themselves
    assert not {name: files for name, files in where.items() if len(set(files) - programs) > 1}
