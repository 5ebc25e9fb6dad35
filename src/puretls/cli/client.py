"""The options that make a client's context, shared by commands that connect, and the context they make."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from puretls import (
    CERT_NONE,
    PROTOCOL_TLS_CLIENT,
    CRLite,
    MemoryBIO,
    SSLContext,
    SSLError,
    TLSVersion,
    create_default_context,
)
from puretls.cli.ech_configs import configurations
from puretls.cli.failure import Failure, Misuse, reason
from puretls.cli.idn import a_labels
from puretls.cli.target import Target

VERSIONS = {
    "1.0": TLSVersion.TLSv1,
    "1.1": TLSVersion.TLSv1_1,
    "1.2": TLSVersion.TLSv1_2,
    "1.3": TLSVersion.TLSv1_3,
}


def add_context(parser: argparse.ArgumentParser) -> None:
    """Trust, identity, versions, algorithms."""
    trust = parser.add_argument_group("trust and identity")
    trust.add_argument(
        "--servername",
        type=server_name,
        metavar="NAME",
        help="the name to ask for and to verify (default: HOST); '' for none",
    )
    trust.add_argument("--ca-file", type=Path, metavar="FILE", help="trust these CAs, and not the system's")
    trust.add_argument("--ca-path", type=Path, metavar="DIR", help="trust a directory of hashed CA certificates")
    trust.add_argument(
        "--profile",
        choices=("webpki",),
        help="the rules of the CA/Browser Forum besides: the public web's",
    )
    trust.add_argument("--trust-key", type=Path, metavar="FILE", help="accept this raw public key (PEM), and only that")
    add_crlite(trust)
    trust.add_argument("--aia", action="store_true", help="fetch an issuer that the server has not sent")
    trust.add_argument("--cert", type=Path, metavar="FILE", help="our certificate and its chain, PEM or PKCS #12")
    add_key(trust)
    offer = parser.add_argument_group("what to offer")
    offer.add_argument("--alpn", metavar="NAMES", help="application protocols, best first: h2,http/1.1")
    only = offer.add_mutually_exclusive_group()
    for version in ("1.2", "1.3"):
        only.add_argument(
            f"--tls{version}", action="store_const", dest="only", const=version, help=f"TLS {version} and no other"
        )
    offer.add_argument("--min", choices=VERSIONS, metavar="VERSION", help="the lowest version: 1.0 to 1.3")
    offer.add_argument("--max", choices=VERSIONS, metavar="VERSION", help="the highest version: 1.0 to 1.3")
    offer.add_argument(
        "--ciphers", metavar="LIST", help="cipher suites, as OpenSSL's cipher lists; IANA names of TLS 1.3"
    )
    offer.add_argument("--groups", metavar="LIST", help="groups, best first: X25519MLKEM768:x25519")
    offer.add_argument(
        "--early-data",
        type=Path,
        metavar="FILE",
        help="send it early (0-RTT) when the session is resumed; implies --resume",
    )
    offer.add_argument(
        "--ech",
        type=configurations,
        metavar="CONFIGS",
        help="encrypt the ClientHello for these: an ECHConfigList in base64, or a file that has one",
    )


def add_crlite(group: Any) -> None:
    """Which filters of revoked certificates are asked."""
    group.add_argument(
        "--crlite",
        type=Path,
        metavar="DIR",
        help="ask Mozilla's filters of revoked certificates (puretls crlite fetch)",
    )


def add_key(group: Any) -> None:
    """What goes with --cert."""
    group.add_argument("--key", type=Path, metavar="FILE", help="its private key, if it is not in the same file")
    group.add_argument(
        "--password-file", type=Path, metavar="FILE", help="the first line is the password of --cert or --key"
    )


def server_name(text: str) -> str:
    """A name that can be asked for, or none; a type for argparse."""
    if not text:
        return text
    try:
        text = a_labels(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    try:
        SSLContext(PROTOCOL_TLS_CLIENT).wrap_bio(MemoryBIO(), MemoryBIO(), server_hostname=text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a host name: {text!r}") from None
    return text


def asked_name(arguments: argparse.Namespace, where: Target) -> str:
    """The name to ask for, and to verify; "" if none was wanted."""
    name: str | None = arguments.servername
    return where.host if name is None else name


def context_for(arguments: argparse.Namespace) -> SSLContext:
    """A verifying client's context as the options have it; Failure and Misuse name the option that is wrong."""
    context = _trusting(arguments.ca_file, arguments.ca_path)
    context.check_hostname = arguments.servername != ""
    context.verify_profile, context.aia = arguments.profile, arguments.aia
    context.crlite = filters(arguments)
    if arguments.trust_key:
        trust_key(context, arguments.trust_key)
    identify(context, arguments)
    if arguments.ech:
        try:
            context.set_ech_config(arguments.ech)
        except SSLError:
            raise Misuse("--ech: none of these configurations can be used here") from None
    return offering(context, arguments)


def filters(arguments: argparse.Namespace) -> CRLite | None:
    """Those of --crlite; Failure if the folder has none, as then nothing would be revoked."""
    if arguments.crlite is None:
        return None
    if not (arguments.crlite / "manifest.json").is_file():
        raise Failure(f"--crlite {arguments.crlite}: no manifest.json there; puretls crlite fetch gets the filters")
    return CRLite(arguments.crlite)


def early_data(context: SSLContext, arguments: argparse.Namespace) -> bytes:
    """What is in --early-data, which the context then permits; b"" for none."""
    if not arguments.early_data:
        return b""
    try:
        data: bytes = arguments.early_data.read_bytes()
    except OSError as error:
        raise Failure(f"--early-data {arguments.early_data}: {reason(error)}") from None
    context.max_early_data = max(len(data), 1)
    return data


def became_of_early_data(tls: Any, sent: int) -> dict[str, Any]:
    """What became of it, for JSON."""
    status = tls.early_data_status().name.removeprefix("EARLY_DATA_").lower()
    return {"sent": sent, "status": status, "reason": tls.early_data_reason}


def early_data_line(facts: dict[str, Any]) -> str:
    """The same in words."""
    why = "" if facts["reason"] in (None, facts["status"]) else f": {facts['reason'].replace('_', ' ')}"
    return (
        f"{facts['sent']} bytes sent, {facts['status'].replace('_', ' ')}{why}" if facts["sent"] else f"not sent{why}"
    )


def trust_key(context: SSLContext, file: Path) -> None:
    """A raw public key (RFC 7250) in the place of certificates."""
    try:
        data = file.read_bytes()
        context.check_hostname = False
        context.server_certificate_types = ["raw"]
        context.set_trusted_public_keys([load_pem_public_key(data) if b"-----BEGIN" in data else data])
    except (OSError, ValueError) as error:
        raise Failure(f"--trust-key {file}: {reason(error)}") from None


def identify(context: SSLContext, arguments: argparse.Namespace, *, reload: float | None = None) -> bool:
    """A certificate of our own, from --cert and --key, read again after so many seconds; whether there is one."""
    if arguments.key and not arguments.cert:
        raise Misuse("--key needs --cert: the certificate that goes with it")
    if arguments.cert:
        try:
            password = password_for(arguments) if reload is None else functools.cache(password_for(arguments))
            context.load_cert_chain(arguments.cert, arguments.key, password, reload=reload)
        except (OSError, ValueError) as error:
            raise Failure(f"--cert {arguments.cert}: {reason(error)}") from None
    return bool(arguments.cert)


def password_for(arguments: argparse.Namespace) -> Callable[[], str]:
    """Called if something is encrypted: the password from --password-file, or typed."""

    def password() -> str:
        file = arguments.password_file
        if file:
            return first_line(file)
        from puretls.cli.typing_in import typed  # noqa: PLC0415 - few keys have a password

        encrypted = arguments.key or arguments.cert
        password = typed(f"Password of {encrypted}: ")
        if password is None:
            told = "is encrypted, and there is no terminal to ask for its password: --password-file FILE"
            raise Failure(f"{encrypted}: {told}")
        return password

    return password


def first_line(file: Path) -> str:
    """The password in --password-file."""
    try:
        return file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeError) as error:
        raise Failure(f"--password-file {file}: {reason(error)}") from None


def offering(context: SSLContext, arguments: argparse.Namespace) -> SSLContext:
    """The versions, algorithms and protocols of the options, in a context of either role."""
    _choose_versions(context, arguments)
    settings: dict[str, tuple[str | None, Callable[[SSLContext, str], None]]] = {
        "--ciphers": (arguments.ciphers, _choose_ciphers),
        "--groups": (arguments.groups, _choose_groups),
        "--alpn": (arguments.alpn, _choose_alpn),
    }
    for option, (value, choose) in settings.items():
        if value:
            try:
                choose(context, value)
            except (SSLError, ValueError) as error:
                raise Misuse(f"{option} {value}: {reason(error)}") from None
    return context


def unverified(context: SSLContext) -> SSLContext:
    """The same context, that looks at what it does not trust."""
    context.check_hostname = False
    context.verify_mode = CERT_NONE
    return context


def _trusting(file: Path | None, directory: Path | None) -> SSLContext:
    try:
        if directory and not directory.is_dir():
            raise Failure(f"--ca-path {directory}: not a directory")
        return create_default_context(cafile=file, capath=directory)
    except (OSError, ValueError) as error:
        raise Failure(f"--ca-file {file}: {reason(error)}") from None


def _choose_versions(context: SSLContext, arguments: argparse.Namespace) -> None:
    if arguments.only and (arguments.min or arguments.max):
        raise Misuse(f"--tls{arguments.only} leaves nothing for --min and --max to say")
    lowest, highest = arguments.only or arguments.min, arguments.only or arguments.max
    if lowest and highest and lowest > highest:
        raise Misuse(f"--min {lowest} --max {highest}: nothing is left")
    if highest:
        context.minimum_version = min(VERSIONS[highest], context.minimum_version)
        context.maximum_version = VERSIONS[highest]
    if lowest:
        context.minimum_version = VERSIONS[lowest]
    if context.minimum_version < TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # they sign with SHA-1


def _choose_ciphers(context: SSLContext, text: str) -> None:
    """Suites of TLS 1.3 by their IANA names, the others in OpenSSL's language; a kind that is not named stays."""
    names = text.replace(",", ":").split(":")
    modern = [name for name in names if name.startswith("TLS_") and "_WITH_" not in name]
    older = [name for name in names if name not in modern]
    if modern:
        context.set_ciphersuites(":".join(modern))
    if older:
        context.set_ciphers(":".join(older))


def _choose_groups(context: SSLContext, text: str) -> None:
    context.set_groups(text.replace(",", ":"))


def _choose_alpn(context: SSLContext, text: str) -> None:
    context.set_alpn_protocols(text.split(","))
