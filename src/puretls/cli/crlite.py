"""`puretls crlite`: get Mozilla's filters of revoked certificates, and ask them."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from puretls import CRLite, CRLiteStatus, SSLError, create_default_context
from puretls.cli.failure import Failure, reason

LARGEST, MOST = 1 << 28, 64  # bytes of a file, files of a manifest
SECONDS = 60.0  # for each answer of the server
MANIFEST = "manifest.json"
REVOKED = 3  # the exit status


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls crlite`."""
    parser.epilog = (
        "examples:\n"
        "  puretls crlite fetch --url https://HOST/FOLDER/ --to DIR    the filters that a manifest.json there lists\n"
        "  puretls crlite check chain.pem --path DIR                   what they say of the first certificate"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fetch = actions.add_parser("fetch", help="get the filters that a manifest lists")
    fetch.add_argument("--url", required=True, help="the https: URL of the folder of manifest.json")
    fetch.add_argument("--to", required=True, type=Path, metavar="DIR", help="the folder to keep them in")
    fetch.add_argument("--ca-file", metavar="FILE", help="trust these CAs, not the system's")
    check = actions.add_parser("check", help="ask whether a certificate is revoked")
    check.add_argument("chain", type=Path, metavar="FILE", help="the certificate and its issuer, in PEM")
    check.add_argument("--path", type=Path, metavar="DIR", help="the folder of the filters; upki's unless given")


def run(arguments: argparse.Namespace) -> int:
    """Run one of the two actions."""
    return fetch(arguments) if arguments.action == "fetch" else check(arguments)


def check(arguments: argparse.Namespace) -> int:
    """0 for a certificate that is not known to be revoked, 3 for one that is."""
    text = arguments.chain.read_text("latin-1")  # PEM is ASCII, and whatever else is there is not it
    end = "-----END CERTIFICATE-----"
    begin = "-----BEGIN CERTIFICATE-----"
    blocks = [block[block.index(begin) :] + end for block in text.split(end) if begin in block]
    if len(blocks) < 2:
        raise Failure(f"{arguments.chain}: a certificate and its issuer are needed, in PEM")
    from cryptography import x509  # noqa: PLC0415 - few commands need it

    try:
        leaf, issuer = (x509.load_pem_x509_certificate(block.encode()) for block in blocks[:2])
        filters = CRLite(arguments.path)
        status = filters.check(leaf, issuer)
    except (ValueError, SSLError) as error:
        raise Failure(f"{arguments.chain}: {error}") from None
    print(f"{leaf.subject.rfc4514_string()}: {status.value} ({filters.path})")
    return REVOKED if status is CRLiteStatus.REVOKED else 0


def fetch(arguments: argparse.Namespace) -> int:
    """Every file is checked against its digest before it gets its name, and the manifest comes last."""
    base = arguments.url if arguments.url.endswith("/") else arguments.url + "/"
    if urlsplit(base).scheme != "https":
        raise Failure("the URL has to be an https: one")
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=create_default_context(cafile=arguments.ca_file))
    )
    manifest = get(opener, urljoin(base, MANIFEST))
    try:
        listed = json.loads(manifest)["files"]
        files = [(str(one["filename"]), int(one["size"]), str(one["hash"]).lower()) for one in listed]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Failure(f"{base}{MANIFEST} is no manifest of CRLite") from None
    if len(files) > MOST or any(Path(name).name != name or name in (MANIFEST, "", ".", "..") for name, _, _ in files):
        raise Failure(f"{base}{MANIFEST} names what is no file beside it, or too many")
    try:
        arguments.to.mkdir(parents=True, exist_ok=True)
        for name, size, digest in files:
            if have(arguments.to / name, size, digest):
                print(f"{name}: there already")
                continue
            data = get(opener, urljoin(base, name), size)
            if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
                raise Failure(f"{base}{name} is not what the manifest says")
            put(arguments.to / name, data)
            print(f"{name}: {size:,} bytes")
        put(arguments.to / MANIFEST, manifest)
        for old in arguments.to.iterdir():
            if old.suffix in (".filter", ".delta") and old.name not in {name for name, _, _ in files}:
                old.unlink()
    except OSError as error:
        raise Failure(f"{arguments.to}: {reason(error)}") from None
    return 0


def have(path: Path, size: int, digest: str) -> bool:
    """Whether a file is there already."""
    return path.is_file() and path.stat().st_size == size and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def put(path: Path, data: bytes) -> None:
    """A file appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)  # noqa: PTH105 - the same, and shorter than Path's


def get(opener: urllib.request.OpenerDirector, url: str, size: int = 1 << 20) -> bytes:
    """At most so many bytes, and one more to tell."""
    if size > LARGEST:
        raise Failure(f"{url} would be larger than {LARGEST:,} bytes")
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            data: bytes = answer.read(size + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Failure(f"{url}: {error}") from None
    return data
