"""Change one thing at a time in a module, and say which changes no test notices.

    .venv/bin/python tools/mutate.py src/puretls/_engine/negotiate.py --tests tests/engine tests/spec

Each test is run once to learn which lines it passes through; a change is then tried with the tests of its line only, in
a copy of `src`, so that the working tree stays as it is.  What is left alive either does not matter or wants a test.
`--only 120-180` takes some lines, `--minutes` bounds the whole; the exit status does not tell, since a person has to.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from coverage import CoverageData

ROOT = Path(__file__).parent.parent
COMPARED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
    ast.Mult: ast.Add, ast.FloorDiv: ast.Mult,
}  # fmt: skip


def changes_of(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """What a node may be replaced by, and how to say it; None takes a statement out."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            if type(operator) in COMPARED:
                other = copy.deepcopy(node)
                other.ops[place] = COMPARED[type(operator)]()
                yield "compare", other
    elif isinstance(node, ast.BoolOp):
        yield "and/or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for place in range(len(node.values)):
            rest = [*node.values[:place], *node.values[place + 1 :]]
            yield "a condition less", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield "no sign", node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
        yield "compute", ast.BinOp(node.left, COMPUTED[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign) and type(node.op) in COMPUTED:
        yield "compute", ast.AugAssign(node.target, COMPUTED[type(node.op)](), node.value)
    elif isinstance(node, ast.IfExp):
        yield "always", node.body
        yield "never", node.orelse
    elif isinstance(node, ast.If | ast.While):
        other = copy.deepcopy(node)
        other.test = ast.UnaryOp(ast.Not(), node.test)
        yield "if not", other
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield "no filter", ast.comprehension(node.target, node.iter, [], node.is_async)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "constant", ast.Constant(not node.value)
        elif isinstance(node.value, int):
            yield "constant", ast.Constant(node.value + 1)
    elif isinstance(node, ast.Return) and node.value is not None and not is_none(node.value):
        yield "return None", ast.Return(ast.Constant(None))
    elif (
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
        or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute))
    ):
        yield "left out", None
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        for place in range(len(node.elts)):
            yield "an element less", ast.Tuple([*node.elts[:place], *node.elts[place + 1 :]], ast.Load())


def is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def skipped(tree: ast.AST) -> set[ast.AST]:
    """Annotations, docstrings, and what errors say."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.Raise):
            parts = [node.exc]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            parts = [node]
        for part in parts:
            found.update(ast.walk(part) if part else ())
    return found


def mutants(source: str) -> Iterator[tuple[int, str, str, str]]:
    """Line, kind, what it was, and the changed source."""
    tree = ast.parse(source)
    out = skipped(tree)
    for parent in ast.walk(tree):
        if parent in out:
            continue
        for name, value in ast.iter_fields(parent):
            for place, node in enumerate(value if isinstance(value, list) else [value]):
                if not isinstance(node, ast.AST) or node in out:
                    continue
                for kind, other in changes_of(node):
                    new = other if other is not None else ast.Pass()
                    if isinstance(value, list):
                        value[place] = new
                    else:
                        setattr(parent, name, new)
                    line = getattr(node, "lineno", getattr(parent, "lineno", 0))
                    yield line, kind, ast.unparse(node), ast.unparse(ast.fix_missing_locations(tree))
                    if isinstance(value, list):
                        value[place] = node
                    else:
                        setattr(parent, name, node)


def pytest(folder: Path, *arguments: str, timeout: float) -> bool:
    """Whether all tests pass with the sources in a folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def tests_by_line(module: Path, tests: list[str]) -> tuple[dict[int, list[str]], list[str]]:
    """Which tests pass through which line; and all of them, as any may read what a module has made of its constants."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
        command += ["--cov=puretls", "--cov-context=test", "--cov-report=", "--cov-config=/dev/null"]
        subprocess.run(
            command, cwd=ROOT, env={**os.environ, "COVERAGE_FILE": str(data)}, capture_output=True, check=False
        )
        found = CoverageData(str(data))
        found.read()
        lines, everybody = found.contexts_by_lineno(str(module.resolve())), sorted(found.measured_contexts())
    known = {line: [name.rpartition("|")[0] for name in names if "|run" in name] for line, names in lines.items()}
    return known, [name.rpartition("|")[0] for name in everybody if "|run" in name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("module", type=Path)
    parser.add_argument("--tests", nargs="+", required=True)
    parser.add_argument("--only", default="1-999999")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--most", type=int, default=150, help="tests for one change")
    options = parser.parse_args()
    first, last = map(int, options.only.split("-"))
    known, anywhere = tests_by_line(options.module, options.tests)
    source = options.module.read_text("utf-8")
    todo = [mutant for mutant in mutants(source) if first <= mutant[0] <= last]
    print(f"{options.module}: {len(todo)} changes, {len(anywhere)} tests", flush=True)
    deadline = time.monotonic() + 60 * options.minutes
    counts = {"noticed": 0, "alive": 0, "no test": 0, "out of time": 0}

    def attempt(mutant: tuple[int, str, str, str]) -> tuple[str, tuple[int, str, str, str]]:
        if time.monotonic() > deadline:
            return "out of time", mutant
        line, _, _, changed = mutant
        names = known.get(line) or []
        if not names and line in known:  # it runs while modules are imported
            names = anywhere
        if not names:
            return "no test", mutant
        with tempfile.TemporaryDirectory() as folder:
            copied = shutil.copytree(ROOT / "src", Path(folder) / "src", ignore=shutil.ignore_patterns("__pycache__"))
            (copied / options.module.resolve().relative_to(ROOT / "src")).write_text(changed, "utf-8")
            step = max(1, len(names) // options.most)
            return ("alive" if pytest(copied, *names[::step], timeout=120) else "noticed"), mutant

    with ThreadPoolExecutor(1) as pool:
        for said, (line, kind, was, _) in pool.map(attempt, todo):
            counts[said] += 1
            if said != "noticed":
                print(f"{said:8} {line:4} {kind}: {was.splitlines()[0][:110]}", flush=True)
    print(", ".join(f"{count} {said}" for said, count in counts.items()))


if __name__ == "__main__":
    main()
