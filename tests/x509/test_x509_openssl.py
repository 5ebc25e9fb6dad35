"""The same verdict, verify_code and depth as OpenSSL for chains that are wrong in one or two respects.

Three oracles: the interpreter's own library through ctypes (the reference, with every parameter), pyOpenSSL (a newer
OpenSSL), and the interpreter's `ssl` in a real handshake.  What may differ is named here and explained in
docs/differences.md.
"""

from __future__ import annotations

import random
import time
import warnings
from typing import Any

import cryptography
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puretls._x509 import codes
from support import libcrypto, pki, scenarios
from support.scenarios import PARTIAL_CHAIN, STRICT, TRUSTED_FIRST, Scenario
from support.verifying import ours, path_of, theirs

reference = pytest.mark.skipif(libcrypto.LIB is None, reason="_ssl does not expose its libcrypto here")

# Codes that strict mode refuses with where OpenSSL 3 finds nothing wrong.
STRICTER = {
    codes.INVALID_EXTENSION,
    codes.UNSUPPORTED_CONSTRAINT_SYNTAX,
    codes.EMPTY_AUTHORITY_KEY,
    codes.UNPAIRED_AUTHORITY_KEY,
}


def verdicts(made: Scenario, *, search: bool) -> tuple[int, int]:
    return ours(made.chain, made.roots, crls=made.crls, search=search, **made.policy)


def agree(made: Scenario) -> bool:
    """Whether both say the same of the path that OpenSSL builds, or differ as documented."""
    mine, other = verdicts(made, search=False), theirs(made.chain, made.roots, crls=made.crls, **made.policy)
    documented = other == (0, 0) and mine[0] in STRICTER and made.policy["flags"] & STRICT
    address = mine == (0, 0) and other[0] in {codes.PERMITTED_VIOLATION, codes.EXCLUDED_VIOLATION} and made.policy["ip"]
    return mine == other or bool(documented) or bool(address)


@reference
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_generated_chains(data: Any) -> None:
    made = scenarios.scenario(lambda options: data.draw(st.sampled_from(options)))
    assert agree(made), (made.said, made.policy)


@reference
@pytest.mark.parametrize("block", range(8))
def test_thousands_of_chains(block: int) -> None:
    for seed in range(block * 500, block * 500 + 500):
        made = scenarios.scenario(random.Random(seed).choice)
        assert agree(made), (seed, made.said, made.policy)


@reference
@pytest.mark.parametrize("block", range(4))
def test_searching_finds_only_paths_that_stand(block: int) -> None:
    """Backtracking accepts more than OpenSSL, and OpenSSL accepts each path that it found when shown no other."""
    for seed in range(block * 500, block * 500 + 500):
        made = scenarios.scenario(random.Random(seed).choice)
        with_search, without = verdicts(made, search=True), verdicts(made, search=False)
        assert with_search in {without, (0, 0)}, (seed, made.said)
        if with_search != without:
            found = path_of(made.chain, made.roots, crls=made.crls, **made.policy)
            anchors = [root for root in made.roots if found[-1] in (root if isinstance(root, bytes) else root.der)]
            policy = made.policy | {"flags": made.policy["flags"] & ~TRUSTED_FIRST}  # it takes what it is shown
            assert libcrypto.verify(
                found[:-1] or found,
                [root if isinstance(root, bytes) else root.der for root in anchors],
                crls=made.crls,
                time=pki.NOW,
                **policy,
            ) in {(0, 0), SEEMS_SELF_SIGNED}, (seed, made.said)


@reference
@pytest.mark.parametrize("block", range(4))
def test_a_broken_extension_is_never_better_than_openssl_finds_it(block: int) -> None:
    """Extensions are read as DER, so more of them may count as broken; none that OpenSSL calls broken is accepted."""
    for seed in range(block * 500, block * 500 + 500):
        made = scenarios.mutated(random.Random(seed))
        mine = verdicts(made, search=False)
        assert mine != (0, 0) or theirs(made.chain, made.roots, **made.policy) == (0, 0), (seed, made.said)


# OpenSSL goes no further up where a name occurs twice running and no key identifier tells the two apart.
SEEMS_SELF_SIGNED = codes.SELF_SIGNED_IN_CHAIN, 1

# OpenSSL 4 heeds these where 3 does not, or calls them something else; ours is 3's answer.
NEWER = {34, 41, 88, 89, 90, 91, 102, 103}


@pytest.mark.parametrize("block", range(4))
def test_a_newer_openssl_gives_the_same_verdicts(block: int) -> None:
    crypto = pytest.importorskip("OpenSSL.crypto")
    if int(cryptography.__version__.partition(".")[0]) < 50:
        pytest.skip(
            "OpenSSL 4.0.1, which cryptography 49 has, takes some of these chains for self-signed; 4.0.3 does not"
        )
    for seed in range(block * 250, block * 250 + 250):
        made = scenarios.scenario(random.Random(seed).choice)
        made.policy["level"] = 0  # pyOpenSSL sets neither level nor depth
        if made.crls or "depth" in made.policy or any(isinstance(root, bytes) for root in made.roots):
            continue
        try:
            other = pyopenssl(crypto, made)
        except ValueError:
            continue
        mine = verdicts(made, search=False)
        assert mine[0] == other or {mine[0], other} & NEWER, (seed, made.said, mine, other)


def pyopenssl(crypto: Any, made: Scenario) -> int:
    """The verify_code of X509StoreContext, set up as `ssl` does it."""
    lib, ffi, policy = crypto._lib, crypto._ffi, made.policy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            chain = [crypto.load_certificate(crypto.FILETYPE_ASN1, x.der) for x in made.chain]
            roots = [crypto.load_certificate(crypto.FILETYPE_ASN1, x.der) for x in made.roots]
        except crypto.Error as error:
            raise ValueError from error
        store = crypto.X509Store()
        for root in roots:
            store.add_cert(root)
    parameters = ffi.gc(lib.X509_VERIFY_PARAM_new(), lib.X509_VERIFY_PARAM_free)
    lib.X509_VERIFY_PARAM_set_flags(parameters, policy["flags"])
    lib.X509_VERIFY_PARAM_set_time(parameters, pki.NOW)
    lib.X509_VERIFY_PARAM_set_hostflags(parameters, policy["host_flags"])
    if policy["host"]:
        name = policy["host"].encode()
        lib.X509_VERIFY_PARAM_set1_host(parameters, name, len(name))
    if policy["ip"]:
        lib.X509_VERIFY_PARAM_set1_ip(parameters, policy["ip"], len(policy["ip"]))
    lib.X509_STORE_set1_param(store._store, parameters)
    server = policy["purpose"] == "serverAuth"
    lib.X509_STORE_set_purpose(store._store, lib.X509_PURPOSE_SSL_SERVER if server else lib.X509_PURPOSE_SSL_CLIENT)
    try:
        crypto.X509StoreContext(store, chain[0], chain).verify_certificate()
    except crypto.X509StoreContextError as error:
        return int(error.errors[0])
    return 0


LONG_LIVED = {"not_before": 946684800, "not_after": 4102444800}  # 2000 to 2100: `ssl` asks the clock
HANDSHAKES = [
    (position, defect)
    for position in ("root", "ca0", "leaf")
    for defect in sorted(scenarios.DEFECTS)
    if defect not in ("ends now", "begins now", "not yet valid", "SHA-1", "serial long")
]


@pytest.mark.parametrize(("position", "defect"), HANDSHAKES)
def test_handshakes_of_ssl(position: str, defect: str, tmp_path: Any) -> None:
    """verify_code and verify_message as they come out of `ssl`, strict and not."""
    ssl = pytest.importorskip("ssl")
    changes = {where: dict(LONG_LIVED) for where in ("root", "ca0", "leaf")}
    changes[position] = scenarios.merge(changes[position], scenarios.DEFECTS[defect]())
    root = pki.ca(changes["root"].pop("subject", "root"), **({"private": pki.key("p256", 11)} | changes["root"]))
    middle = pki.ca(changes["ca0"].pop("subject", "ca0"), root, **({"private": pki.key("p256", 12)} | changes["ca0"]))
    leaf = pki.leaf("example.test", middle, **changes["leaf"])
    file = tmp_path / "chain.pem"
    file.write_text(leaf.key_pem + leaf.pem + middle.pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        server.load_cert_chain(file)
        client.load_verify_locations(cadata=root.der)
    except ssl.SSLError:
        pytest.skip("ssl does not load such a certificate")
    for flags in (TRUSTED_FIRST, TRUSTED_FIRST | STRICT, TRUSTED_FIRST | STRICT | PARTIAL_CHAIN):
        client.verify_flags = ssl.VerifyFlags(flags)
        refused = handshake(ssl, server, client)
        mine = ours([leaf, middle], [root], time=time.time(), host="example.test", flags=flags, level=2)
        if refused is None:
            assert mine[0] in {0, *(STRICTER if flags & STRICT else ())}
        elif isinstance(refused, ssl.SSLCertVerificationError):
            assert mine[0] == refused.verify_code
            message = refused.verify_message.replace(", certificate is not valid for 'example.test'.", "").lower()
            assert message == codes.VERDICTS[mine[0]][0].lower()


def handshake(ssl: Any, server: Any, client: Any) -> Exception | None:
    """What the client raises; None if it is content."""
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(one, other, server_hostname="example.test"),
        server.wrap_bio(other, one, server_side=True),
    )
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                if end is ends[0]:
                    return error
                pytest.skip(f"the server cannot use it: {error}")
    return None
