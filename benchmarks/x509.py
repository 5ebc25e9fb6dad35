"""CPU time of certificate verification and of loading roots, beside the interpreter's `ssl`.

    python benchmarks/x509.py

Verification is leaf <- intermediate <- root with a host name and a store of 140 roots, in both cases from the DER that
a peer sends; `ssl` is X509_verify_cert of the library that it is linked with.  Each leaf is a new one, as for a client
that talks to many servers; the intermediate is not, since a few intermediates issue nearly all there are.
"""

from __future__ import annotations

import ctypes
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("src", "tests")]

from puretls._x509 import certificate, path, store  # noqa: E402 - as above
from puretls._x509.checks import PARTIAL_CHAIN, STRICT, TRUSTED_FIRST, Policy  # noqa: E402 - as above
from support import libcrypto, pki  # noqa: E402 - as above

ROOTS, LEAVES, ROUNDS = 140, 300, 5
FLAGS = TRUSTED_FIRST | STRICT | PARTIAL_CHAIN


def cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def openssl_verify(roots: list[bytes], chains: list[list[bytes]]) -> Callable[[], None]:
    """Verify each chain, with the parameters that `ssl` sets."""
    lib = libcrypto.LIB
    trusted = ctypes.c_void_p(lib.X509_STORE_new())
    for root in roots:
        lib.X509_STORE_add_cert(trusted, libcrypto._der(lib.d2i_X509, root))

    def run() -> None:
        for ders in chains:
            chain = [libcrypto._der(lib.d2i_X509, der) for der in ders]
            stack = ctypes.c_void_p(lib.OPENSSL_sk_new_null())
            for x in chain:
                lib.OPENSSL_sk_push(stack, x)
            context = ctypes.c_void_p(lib.X509_STORE_CTX_new())
            lib.X509_STORE_CTX_init(context, trusted, chain[0], stack)
            lib.X509_STORE_CTX_set_default(context, b"ssl_server")
            parameters = ctypes.c_void_p(lib.X509_STORE_CTX_get0_param(context))
            lib.X509_VERIFY_PARAM_set_flags(parameters, ctypes.c_ulong(FLAGS))
            lib.X509_VERIFY_PARAM_set_time(parameters, ctypes.c_long(pki.NOW))
            lib.X509_VERIFY_PARAM_set_auth_level(parameters, ctypes.c_int(2))
            lib.X509_VERIFY_PARAM_set1_host(parameters, b"example.test", ctypes.c_size_t(12))
            if lib.X509_verify_cert(context) != 1:
                raise SystemExit(f"refused: {lib.X509_STORE_CTX_get_error(context)}")
            lib.X509_STORE_CTX_free(context)
            lib.OPENSSL_sk_free(stack)
            for x in chain:
                lib.X509_free(x)

    return run


def our_verify(roots: list[bytes], chains: list[list[bytes]]) -> Callable[[], None]:
    """The same, from DER to path."""
    trusted = store.Store()
    trusted.add_bundle(store.Bundle(map(certificate.Certificate, roots)))
    policy = Policy(time=pki.NOW, hostname="example.test", flags=FLAGS, security_level=2)

    def run() -> None:
        certificate._interned.cache_clear()
        for ders in chains:
            path.verify([certificate.load(der) for der in ders], trusted, policy)

    return run


def main() -> None:
    """Print the table."""
    roots = [pki.ca(f"CN=root {n},O=Authority of number {n}", private=pki.key("p256", 1)).der for n in range(ROOTS - 1)]
    print(f"{'':44}{'ours':>12}{'ssl':>12}")
    for kind in ("p256", "rsa2048"):
        root = pki.ca("CN=root,O=Authority", private=pki.key(kind, 2))
        middle = pki.ca("CN=intermediate,O=Authority", root, private=pki.key(kind, 3))
        chains = [[pki.leaf("example.test", middle).der, middle.der] for _ in range(LEAVES)]
        trusted = [*roots, root.der]
        ours, theirs = our_verify(trusted, chains), openssl_verify(trusted, chains)
        best = [min(cpu(run) for _ in range(ROUNDS)) / LEAVES * 1e6 for run in (ours, theirs)]
        print(f"verify leaf <- intermediate <- root, {kind:8}{best[0]:9.0f} us{best[1]:9.0f} us")
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "roots.pem")
        bundle.write_text("".join(pki.pem(der, "CERTIFICATE") for der in [*roots, root.der]))

        def load_ours() -> None:
            store._cache.clear()
            store.Store().add_file(bundle)

        def load_theirs() -> None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(bundle)

        subject = certificate.Certificate(root.der).subject

        def load_and_look_up() -> None:
            store._cache.clear()
            loaded = store.Store()
            loaded.add_file(bundle)
            loaded.by_subject(subject)

        theirs_us = min(cpu(load_theirs) for _ in range(ROUNDS)) * 1e6
        for what, load in (
            ("load 140 roots", load_ours),
            ("load 140 roots and look one up", load_and_look_up),
            ("load 140 roots, another context has them", lambda: store.Store().add_file(bundle)),
        ):
            print(f"{what:44}{min(cpu(load) for _ in range(ROUNDS)) * 1e6:9.0f} us{theirs_us:9.0f} us")


if __name__ == "__main__":
    main()
