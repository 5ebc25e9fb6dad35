"""What tests of several commands share."""

from __future__ import annotations

import pytest

from support import Pki


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates that are good for some time."""
    pki = Pki(tmp_path_factory.mktemp("lasting"))
    for kind in ("P-256", "RSA"):
        pki.made[kind] = pki.issuer.issue("localhost", kind=kind, days=(-1, 90))
    return pki
