"""`ssl` and puretls behind one interface, for measuring: contexts with fixed version, suite and group; sides over
memory BIOs.

Only what is timed goes through these classes, and they are as thin as possible: a `Side` does what a program without a
socket does with that library. The repository's own benchmarks have more libraries behind the same interface.
"""

from __future__ import annotations

import ctypes
from importlib import import_module
from pathlib import Path
from typing import Any

from puretls._base.tuples import NamedTuple
from puretls.cli.certs import Authority


class Case(NamedTuple):
    """The parameters that both sides have to use."""

    version: str = "1.3"
    suite: str = "TLS_AES_128_GCM_SHA256"
    key: str = "P-256"
    mutual: bool = False
    group: str = "X25519"


class Files(NamedTuple):
    """The files of the certificates, which are the same for every library."""

    folder: str

    def of(self, name: str) -> str:
        """The path of one."""
        return str(Path(self.folder, name))


def prepare(folder: Path, *kinds: str) -> Files:
    """A root, an intermediate, a client and a server leaf of each kind of key, as files."""
    root = Authority("Benchmark root")
    issuer = Authority("Benchmark intermediate", parent=root)
    (folder / "ca.pem").write_bytes(root.pem)
    leaves = {kind: issuer.issue("localhost", kind=kind) for kind in kinds}
    leaves["client"] = issuer.issue("client", client=True)
    for name, identity in leaves.items():
        (folder / f"{name}.pem").write_bytes(identity.chain_pem)
        (folder / f"{name}.key").write_bytes(identity.key_pem)
    return Files(str(folder))


class Side:
    """One end of a connection over memory, for ssl and puretls."""

    def __init__(
        self, module: Any, context: Any, *, server: bool, session: Any = None, name: str = "localhost"
    ) -> None:
        self.incoming, self.outgoing = module.MemoryBIO(), module.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server, None if server else name, session)
        self.wants_more = module.SSLWantReadError
        self.give, self.take = self.incoming.write, self.outgoing.read
        self.read, self.write = self.tls.read, self.tls.write

    def step(self) -> bool:
        """Handshake as far as it goes; True when done."""
        try:
            self.tls.do_handshake()
        except self.wants_more:
            return False
        return True

    def session(self) -> Any:
        """The session to resume, when the tickets were read."""
        return self.tls.session

    def resumed(self) -> bool:
        """Whether a session was resumed."""
        return bool(self.tls.session_reused)


class Module:
    """`ssl`, or a module with its interface."""

    def __init__(self, name: str) -> None:
        self.name, self.module = name, import_module(name)

    def context(self, files: Files, case: Case, *, server: bool) -> Any:
        """A context that can negotiate only the case."""
        tls = self.module
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER if server else tls.PROTOCOL_TLS_CLIENT)
        version = tls.TLSVersion.TLSv1_3 if case.version == "1.3" else tls.TLSVersion.TLSv1_2
        context.minimum_version = context.maximum_version = version
        if case.version == "1.2":  # x25519 is what it takes; to force it would forbid P-256 keys (RFC 8422 5.1)
            context.set_ciphers(case.suite)
        else:
            force = context if hasattr(context, "set_groups") else Forced(context)
            force.set_groups(case.group)
            force.set_ciphersuites(case.suite)
        context.load_verify_locations(files.of("ca.pem"))
        if server or case.mutual:
            name = case.key if server else "client"
            context.load_cert_chain(files.of(f"{name}.pem"), files.of(f"{name}.key"))
        if server and case.mutual:
            context.verify_mode = tls.CERT_REQUIRED
        return context

    def side(self, context: Any, *, server: bool, session: Any = None, name: str = "localhost") -> Side:
        """One end over memory; `name` is the server's."""
        return Side(self.module, context, server=server, session=session, name=name)

    def wrap(self, context: Any, sock: Any, *, server: bool) -> Any:
        """One end over a socket."""
        return context.wrap_socket(sock, server_side=server, server_hostname=None if server else "localhost")


class Forced:
    """Parameters that `ssl` cannot set before Python 3.15, though OpenSSL can."""

    def __init__(self, context: Any) -> None:
        self.library = ctypes.CDLL(import_module("_ssl").__file__)
        self.pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)

    def set_ciphersuites(self, suite: str) -> None:
        """One suite of TLS 1.3."""
        if self.library.SSL_CTX_set_ciphersuites(self.pointer, suite.encode()) != 1:
            raise ValueError(suite)

    def set_groups(self, groups: str) -> None:
        """The groups."""
        set_groups_list = 92  # SSL_CTRL_SET_GROUPS_LIST
        if self.library.SSL_CTX_ctrl(self.pointer, set_groups_list, ctypes.c_long(0), groups.encode()) != 1:
            raise ValueError(groups)
