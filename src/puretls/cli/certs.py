"""A certificate authority in memory and what it signs (RFC 5280): for the demo, the development CA and tests.

Nothing here touches a file: authority.py does. Profiles are what a public CA would issue, so that strict verification
accepts them: key identifiers, critical basic constraints and key usage, extended key usage, names in subjectAltName.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from puretls._base.tuples import NamedTuple

KINDS: dict[str, Callable[[], Any]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}
LONGEST_COMMON_NAME = 64  # RFC 5280 A.1, ub-common-name
CRL_DAYS = 30
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class Identity(NamedTuple):
    """A certificate, its key, and the intermediates a peer needs to reach the root."""

    certificate: x509.Certificate
    key: Any
    intermediates: tuple[x509.Certificate, ...] = ()

    @property
    def chain_pem(self) -> bytes:
        """The leaf and its intermediates, as `load_cert_chain` wants them."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.intermediates))

    @property
    def key_pem(self) -> bytes:
        """The private key, PKCS#8, not encrypted: it lives as long as the process."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[no-any-return]


class Authority:
    """A root, or with `parent` an intermediate, that issues certificates."""

    def __init__(
        self,
        name: str,
        *,
        kind: str = "P-256",
        days: float = 30,
        parent: Authority | None = None,
        path_length: int | None = None,
        only: Sequence[str] = (),
    ) -> None:
        """`only`: host names and networks that it is good for (RFC 5280 4.2.1.10); none: for any."""
        self.key: Any = KINDS[kind]()
        self.parent = parent
        signer = parent or self
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self.name, self.key.public_key(), signer, (-1, days))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        if only:
            builder = builder.add_extension(name_constraints(only), critical=True)
        self.certificate = builder.sign(signer.key, _digest(signer.key))

    @classmethod
    def of(cls, certificate: x509.Certificate, key: Any) -> Authority:
        """A root that was made earlier, from its certificate and key."""
        self = cls.__new__(cls)
        self.key, self.parent, self.name, self.certificate = key, None, certificate.subject, certificate
        return self

    @property
    def pem(self) -> bytes:
        """This authority's own certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self, *names: str, kind: str = "P-256", client: bool = False, days: tuple[float, float] = (-1, 7)
    ) -> Identity:
        """A leaf for host names, addresses, mailboxes or URIs (or for a client), valid between two offsets from now."""
        key = KINDS[kind]()
        between = []
        issuer: Authority = self
        while issuer.parent:
            between.append(issuer.certificate)
            issuer = issuer.parent
        return Identity(self.certify(key.public_key(), *names, client=client, days=days), key, tuple(between))

    def certify(
        self, public_key: Any, *names: str, client: bool = False, days: tuple[float, float] = (-1, 7)
    ) -> x509.Certificate:
        """The same for a key of which only the public half is here."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._common_name(names))])
        builder = _builder(subject, public_key, self, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        enciphers = isinstance(public_key, rsa.RSAPublicKey)
        usages = ("digital_signature", "key_encipherment") if enciphers else ("digital_signature",)
        builder = builder.add_extension(_usage(*usages), critical=True)
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        return builder.sign(self.key, _digest(self.key))

    def _common_name(self, names: Sequence[str]) -> str:
        """The first name; of addresses not, if there are name constraints: OpenSSL takes one there for a host."""
        constrained = any(isinstance(one.value, x509.NameConstraints) for one in self.certificate.extensions)
        general = [_general_name(name) for name in names]
        if constrained and isinstance(general[0], x509.IPAddress):
            hosts = (str(one.value) for one in general if isinstance(one, x509.DNSName))
            return next(hosts, "not a host")[:LONGEST_COMMON_NAME]
        return names[0][:LONGEST_COMMON_NAME]

    def revoke(self, before: x509.CertificateRevocationList | None, *entries: x509.RevokedCertificate) -> bytes:
        """A CRL in PEM with what an earlier one has, and these (RFC 5280 5); good for CRL_DAYS."""
        now = datetime.now(timezone.utc)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now).next_update(now + timedelta(days=CRL_DAYS))
        number = 1
        if before is not None:
            number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
        new = {one.serial_number for one in entries}
        for one in (*(one for one in before or () if one.serial_number not in new), *entries):
            builder = builder.add_revoked_certificate(one)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        return builder.sign(self.key, _digest(self.key)).public_bytes(Encoding.PEM)


def _builder(
    subject: x509.Name, public_key: Any, signer: Authority, days: tuple[float, float]
) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
    )


def _usage(*wanted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in wanted for usage in USAGES})


def _digest(key: Any) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()


def name_constraints(only: Sequence[str]) -> x509.NameConstraints:
    """For these hosts, all that is below them, and these addresses or networks; for no other host and no other address.

    Constraints of one kind of name leave the other free (RFC 5280 4.2.1.10): what has none here is excluded.
    """
    permitted = [_subtree(name) for name in only]
    excluded: list[x509.GeneralName] = []
    if not any(isinstance(one, x509.IPAddress) for one in permitted):
        excluded = [x509.IPAddress(ipaddress.ip_network(all_)) for all_ in ("0.0.0.0/0", "::/0")]
    elif not any(isinstance(one, x509.DNSName) for one in permitted):
        excluded = [x509.DNSName("")]
    return x509.NameConstraints(permitted, excluded or None)


def _subtree(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if "://" in name:
            return x509.UniformResourceIdentifier(name)
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)
