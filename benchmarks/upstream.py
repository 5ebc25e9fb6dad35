"""What `cryptography` could offer so that its users gain: each proposal of docs/upstream.md with a measurement.

`python -m benchmarks.upstream [PATTERN] [--seconds S]` needs nothing but `cryptography`.  A proposal has two pieces of
code that end with the same: what a program has to do today, and the part of it that would be left.  Both take turns, in
CPU time of this process; what is told is the median of the pairs.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import NamedTuple

from cryptography import __version__
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC

ROUNDS = 21
SHA256 = hashes.SHA256()


class Proposal(NamedTuple):
    """What is proposed, and the two sides of the comparison."""

    name: str
    now: Callable[[], object]
    left: Callable[[], object]
    what_is_left: str


def records(size: int) -> Proposal:
    """One call that takes the header, the base of the nonces and the sequence number."""
    cipher, data, iv = AESGCM(bytes(16)), b"x" * size, int.from_bytes(os.urandom(12), "big")
    pack, sequence = struct.Struct("!BHH").pack, 12345
    header, nonce, inner = pack(23, 0x0303, size + 17), (iv ^ sequence).to_bytes(12, "big"), data + b"\x17"

    def now() -> bytes:
        head = pack(23, 0x0303, len(data) + 17)
        return head + cipher.encrypt((iv ^ sequence).to_bytes(12, "big"), data + b"\x17", head)

    return Proposal(f"seal a record of {size} bytes", now, lambda: cipher.encrypt(nonce, inner, header), "encryption")


def reading(size: int) -> Proposal:
    """The same for a record that has come."""
    cipher, iv, sequence = AESGCM(bytes(16)), int.from_bytes(os.urandom(12), "big"), 12345
    header, nonce = struct.pack("!BHH", 23, 0x0303, size + 17), (iv ^ sequence).to_bytes(12, "big")
    body = cipher.encrypt(nonce, b"x" * size + b"\x17", header)
    record = header + body

    def now() -> tuple[int, bytes]:
        inner = cipher.decrypt((iv ^ sequence).to_bytes(12, "big"), record[5:], record[:5])
        return inner[-1], inner[:-1]

    return Proposal(f"open a record of {size} bytes", now, lambda: cipher.decrypt(nonce, body, header), "decryption")


def keyed() -> Proposal:
    """An HMAC under a new key, as each step of a key schedule needs it; all but two compressions is for the object."""
    key, mac = os.urandom(32), HMAC(os.urandom(32), SHA256)

    def finish(fresh: HMAC) -> bytes:
        fresh.update(key)
        return fresh.finalize()

    return Proposal(
        "HMAC under a new key", lambda: finish(HMAC(key, SHA256)), lambda: finish(mac.copy()), "one under a copied key"
    )


def copied() -> Proposal:
    """The copy of a keyed HMAC, and that of a hash."""
    mac, running = HMAC(os.urandom(32), SHA256), hashes.Hash(SHA256)
    return Proposal("copy of an HMAC", mac.copy, running.copy, "copy of a hash")


def classes() -> Proposal:
    """Whether SHA256() is a hash algorithm: asked at each Hash() and HMAC(), by way of `abc` in Python."""
    exact = type(SHA256)
    return Proposal(
        "an algorithm's class is looked at",
        partial(isinstance, SHA256, hashes.HashAlgorithm),
        partial(isinstance, SHA256, exact),
        "the same by exact type",
    )


def derived() -> Proposal:
    """Key and IV of TLS 1.3 out of a traffic secret, and the cipher (RFC 8446 7.3)."""
    secret = os.urandom(32)
    key_label, iv_label = b"\x00\x10\x09tls13 key\x00\x01", b"\x00\x0c\x08tls13 iv\x00\x01"

    def now() -> tuple[AESGCM, int]:
        iv = HMAC(secret, SHA256)
        key = iv.copy()
        key.update(key_label)
        iv.update(iv_label)
        return AESGCM(key.finalize()[:16]), int.from_bytes(iv.finalize()[:12], "big")

    return Proposal("an AEAD out of a traffic secret", now, partial(AESGCM, secret[:16]), "an AEAD out of its key")


def mlkem() -> Proposal:
    """A key pair and its encoded half; encapsulation expands the same matrix, and multiplies by it once as well."""
    public = MLKEM768PrivateKey.generate().public_key()

    def now() -> bytes:
        return MLKEM768PrivateKey.generate().public_key().public_bytes_raw()

    return Proposal("ML-KEM-768 key pair and encoded key", now, public.encapsulate, "encapsulation")


def loaded() -> Proposal:
    """A key that has come: read, and used once."""
    encoded = MLKEM768PrivateKey.generate().public_key().public_bytes_raw()
    public = MLKEM768PublicKey.from_public_bytes(encoded)

    def now() -> tuple[bytes, bytes]:
        return MLKEM768PublicKey.from_public_bytes(encoded).encapsulate()

    return Proposal("ML-KEM-768 key read and used", now, public.encapsulate, "encapsulation")


def contexts() -> Proposal:
    """Two messages to one receiver, as in ECH with a HelloRetryRequest: one encapsulation would do."""
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)
    receiver = X25519PrivateKey.generate().public_key()
    message, cipher, nonce = bytes(300), AESGCM(bytes(16)), bytes(12)

    def now() -> tuple[bytes, bytes]:
        return suite.encrypt(message, receiver), suite.encrypt(message, receiver)

    def left() -> tuple[bytes, bytes]:
        return suite.encrypt(message, receiver), cipher.encrypt(nonce, message, b"")

    return Proposal("HPKE, two messages", now, left, "one message, and one encryption")


PROPOSALS: tuple[Callable[[], Proposal], ...] = (
    partial(records, 16),
    partial(records, 1024),
    partial(records, 16384),
    partial(reading, 16),
    partial(reading, 1024),
    keyed,
    copied,
    classes,
    derived,
    mlkem,
    loaded,
    contexts,
)


def spent(function: Callable[[], object], count: int) -> float:
    """Microseconds of CPU for each call."""
    start = process_time()
    for _ in range(count):
        function()
    return (process_time() - start) / count * 1e6


def measure(proposal: Proposal, seconds: float) -> tuple[float, float]:
    """What it takes now and what would be left, in microseconds: medians, in turns."""
    count = max(1, int(seconds / 2 / ROUNDS * 1e6 / max(spent(proposal.now, 3), 0.1)))
    pairs = [(spent(proposal.now, count), spent(proposal.left, count)) for _ in range(ROUNDS)]
    return statistics.median(now for now, _ in pairs), statistics.median(left for _, left in pairs)


def crowd(function: Callable[[], object], seconds: float, threads: int) -> float:
    """Microseconds of CPU for each call, in so many threads at once."""
    counts, stop, ready = [0] * threads, threading.Event(), threading.Barrier(threads + 1)

    def work(number: int) -> None:
        ready.wait()
        while not (counts[number] and stop.is_set()):
            for _ in range(50):
                function()
            counts[number] += 50

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    start = process_time()
    ready.wait()
    stop.wait(seconds)
    stop.set()
    for worker in workers:
        worker.join()
    return (process_time() - start) / sum(counts) * 1e6


def threads(seconds: float) -> list[tuple[str, float, float]]:
    """Calls on 64 bytes in two threads and in one: to let the GIL go for them would cost more than they take."""
    cipher, data, nonce, start = AESGCM(bytes(16)), bytes(64), bytes(12), hashes.Hash(SHA256)

    def keeps() -> bytes:
        running = start.copy()
        running.update(data)
        return running.finalize()

    found = []
    for name, function in (
        ("AES-GCM of 64 bytes, two threads", partial(cipher.encrypt, nonce, data, None)),
        ("SHA-256 of 64 bytes, two threads", keeps),
    ):
        pairs = [(crowd(function, seconds / 12, 2), crowd(function, seconds / 12, 1)) for _ in range(3)]
        found.append((name, statistics.median(two for two, _ in pairs), statistics.median(one for _, one in pairs)))
    return found


IMPORTED = """
import re, sys
plain = re.compile
def compile(pattern, flags=0):
    return None if {without} and chr(sys.maxunicode) in str(pattern) else plain(pattern, flags)
re.compile = compile
import cryptography.x509
"""


def imports() -> tuple[str, float, float]:
    """Importing cryptography.x509 as it is, and without one regular expression of x509/name.py."""
    from resource import RUSAGE_CHILDREN, getrusage

    def spent(code: str) -> float:
        before = getrusage(RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = getrusage(RUSAGE_CHILDREN)
        return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e6

    codes = "import re", IMPORTED.format(without=False), IMPORTED.format(without=True)
    empty, now, left = (statistics.median(times) for times in zip(*[map(spent, codes) for _ in range(9)], strict=True))
    return "import cryptography.x509", now - empty, left - empty


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each proposal")
    arguments = parser.parse_args()
    print(f"cryptography {__version__}, Python {sys.version.split()[0]}; microseconds of CPU\n")
    print(f"{'':36} {'now':>8} {'left':>8} {'gain':>6}  what would be left")
    for make in PROPOSALS:
        proposal = make()
        if re.search(arguments.pattern, proposal.name):
            now, left = measure(proposal, arguments.seconds)
            print(f"{proposal.name:36} {now:8.2f} {left:8.2f} {1 - left / now:6.0%}  {proposal.what_is_left}")
    if re.search(arguments.pattern, "imports"):
        name, now, left = imports()
        print(f"\n{name:36} {now:8.2f} {left:8.2f} {1 - left / now:6.0%}  the rest")
    if re.search(arguments.pattern, "threads"):
        print()
        for name, two, one in threads(arguments.seconds):
            print(f"{name:36} {two:8.2f} {one:8.2f} {1 - one / two:6.0%}  one thread")
    return 0


if __name__ == "__main__":
    sys.exit(main())
