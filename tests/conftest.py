"""Fixtures for every folder: the module under test, and certificates made once a session."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

import pytest
from hypothesis import settings

from support import Pki

# Every peer of a test is on this machine: no proxy of whoever runs them is between.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]

# The same examples in every run, so that what passes here passes elsewhere; `make fuzz` looks for new ones.
# A busy machine is not a bug, so there is no deadline for an example; pytest-timeout sees to hangs.
settings.register_profile("puretls", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, print_blob=True)
settings.load_profile("puretls")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--module", default="puretls", help="what the API tests import: puretls, or ssl to check the tests themselves"
    )
    parser.addoption(
        "--record-baseline",
        action="store_true",
        help="write tests/data/baseline/wire.txt anew (tests/engine/test_baseline.py)",
    )


@pytest.fixture(scope="session")
def tls(request: pytest.FixtureRequest) -> ModuleType:
    """The module under test."""
    return import_module(request.config.getoption("--module"))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates of every kind, as objects and as files."""
    return Pki(tmp_path_factory.mktemp("pki"))
