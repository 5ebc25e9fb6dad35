"""Runs tests of CPython's own suite with one module in the place of `ssl`, in a process of its own.

    python worker.py MODULE TEST_MODULE PATTERN...

MODULE is `ssl` for the yardstick, `puretls` for what is measured; with `puretls.asyncio` its own layer serves the event
loops besides.  Each test that runs is a line of JSON on standard
output: its name, its outcome ("passed", "skipped", "failed") and what explains it.  The line of a test that began and
never ended is missing, which `test_cpython.py` reports.
"""

from __future__ import annotations

import faulthandler
import fnmatch
import importlib
import json
import os
import sys
import tempfile
import unittest
from collections.abc import Iterator
from typing import Any

PATIENCE = 90  # seconds for one test, until all threads are shown and the process ends
RESOURCES = ("cpu", "subprocess", "walltime")  # of test.support: all but the network and what is huge


def replace_ssl(name: str) -> None:
    """Give whoever says `import ssl` from now on the module of that name."""
    if name == "ssl":
        return
    name, _, asyncio = name.partition(".")
    module = importlib.import_module(name)
    sys.modules["ssl"], sys.modules["_ssl"] = module, module._ssl
    bound = [other for other, held in sys.modules.items() if "ssl" in vars(held) and vars(held)["ssl"] is not module]
    taken = [other for other in bound if other.partition(".")[0] not in (name, "ssl")]
    if taken:
        raise SystemExit(f"the interpreter's ssl is already bound by {taken}")
    if asyncio:
        importlib.import_module(f"{name}.{asyncio}").install()


def flatten(suite: Any) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


class Outcome(unittest.TestResult):
    """The worst that happened in one test and its sub-tests."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome, self.why = "passed", ""

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802 - unittest's name, as those below
        super().addSkip(test, reason)
        if self.outcome == "passed":
            self.outcome, self.why = "skipped", reason

    def _failed(self, test: Any, err: Any) -> None:
        self.outcome, self.why = "failed", self._exc_info_to_string(err, test)  # type: ignore[attr-defined]

    addFailure = addError = _failed  # noqa: N815

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        del test
        if err is not None:
            self._failed(subtest, err)

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        self.outcome, self.why = "failed", "it was expected to fail"


def main() -> None:
    name, module, *patterns = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the tests themselves print
    del sys.path[0]  # this file's folder
    replace_ssl(name)
    try:
        from test import support

        support.verbose = 0
        support.use_resources = dict.fromkeys(RESOURCES)
        tests = list(flatten(unittest.TestLoader().loadTestsFromModule(importlib.import_module(module))))
    except ModuleNotFoundError as missing:
        if missing.name not in (module, module.rpartition(".")[0], "test"):
            raise
        print(json.dumps(["", "absent", str(missing)]), file=out, flush=True)
        return
    except unittest.SkipTest as skipped:
        print(json.dumps(["", "absent", str(skipped)]), file=out, flush=True)
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        while tests:
            test = tests.pop(0)  # and nothing keeps it alive
            known = test.id().removeprefix(module + ".")
            if not any(fnmatch.fnmatchcase(known, pattern) for pattern in patterns):
                continue
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            result = Outcome()
            unittest.TestSuite([test]).run(result)
            print(json.dumps([known, result.outcome, result.why]), file=out, flush=True)
        faulthandler.cancel_dump_traceback_later()
        os.chdir("/")
    os._exit(0)  # whatever threads a test has left behind


if __name__ == "__main__":
    main()
