"""The secrets of a connection as NSS key log lines bring them (RFC 9850), and what each of them is for."""

from __future__ import annotations

from collections.abc import Iterable

CLIENT_HANDSHAKE, SERVER_HANDSHAKE = "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC, SERVER_TRAFFIC = "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"
CLIENT_EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
MASTER = "CLIENT_RANDOM"  # the label of TLS 1.2 is the random that every line names
ECH_SECRET, ECH_CONFIG = "ECH_SECRET", "ECH_CONFIG"

PURPOSES = {
    CLIENT_HANDSHAKE: "protects the client's handshake messages; from the handshake secret and both hellos",
    SERVER_HANDSHAKE: "protects the server's handshake messages; from the handshake secret and both hellos",
    CLIENT_TRAFFIC: "protects the client's application data; from the master secret and the handshake so far",
    SERVER_TRAFFIC: "protects the server's application data; from the master secret and the handshake so far",
    CLIENT_EARLY: "protects 0-RTT data; from the pre-shared key and the ClientHello",
    "EARLY_EXPORTER_SECRET": "for the application, before the handshake is over",
    "EXPORTER_SECRET": "for the application: what export_keying_material derives from",
    ECH_SECRET: "what HPKE has agreed on: opens the encrypted ClientHello, with the configuration it was sealed for",
    ECH_CONFIG: "the configuration that the ClientHello was sealed for: no secret",
    MASTER: "the master secret: both directions' keys come from it and the two randoms",
}


class KeyLog:
    """Secrets by label and client random."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.secrets: dict[tuple[str, bytes], bytes] = {}
        for line in lines:
            self.add(line)

    def add(self, line: str) -> None:
        """One line: label, client random, secret. What does not look like one is a comment."""
        parts = line.split()
        if len(parts) == 3 and not line.startswith("#"):
            try:
                self.secrets[parts[0], bytes.fromhex(parts[1])] = bytes.fromhex(parts[2])
            except ValueError:
                return

    def get(self, label: str, client_random: bytes) -> bytes | None:
        """The secret of a connection, if it was logged."""
        return self.secrets.get((label, client_random))
