"""Verifying costs no more CPU time than OpenSSL's, and loading a bundle a fifth at most."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import libcrypto
import pki

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "x509.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("x509_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def best(benchmark: ModuleType, work: object, rounds: int = 5) -> float:
    return min(benchmark.cpu(work) for _ in range(rounds))


@pytest.mark.skipif(libcrypto.LIB is None, reason="_ssl does not expose its libcrypto here")
@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_verifying(benchmark: ModuleType, kind: str) -> None:
    others = [pki.ca(f"root {n}", private=pki.key("p256", 1)).der for n in range(benchmark.ROOTS - 1)]
    root = pki.ca("root", private=pki.key(kind, 2))
    middle = pki.ca("intermediate", root, private=pki.key(kind, 3))
    chains = [[pki.leaf("example.test", middle).der, middle.der] for _ in range(100)]
    ours = best(benchmark, benchmark.our_verify([*others, root.der], chains))
    assert ours <= best(benchmark, benchmark.openssl_verify([*others, root.der], chains))


def test_loading(benchmark: ModuleType, tmp_path: Path) -> None:
    ssl = pytest.importorskip("ssl")
    roots = [pki.ca(f"root {n}", private=pki.key("p256", 1)) for n in range(benchmark.ROOTS)]
    file = tmp_path / "roots.pem"
    file.write_text("".join(root.pem for root in roots))
    subject = benchmark.certificate.Certificate(roots[70].der).subject

    def ours() -> None:
        benchmark.store._cache.clear()
        store = benchmark.store.Store()
        store.add_file(file)
        assert store.by_subject(subject)

    def theirs() -> None:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)

    assert best(benchmark, ours) * 5 <= best(benchmark, theirs)
