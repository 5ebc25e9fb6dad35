"""Certificates for the servers that are asked."""

from __future__ import annotations

import pytest

from support import Pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))
