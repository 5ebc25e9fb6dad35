"""A client that sends more certificates than its server's ticket has room for."""

from __future__ import annotations

from pathlib import Path

import pytest

import puretls
from puretls.cli.certs import Authority
from support import Pki
from support.bios import join
from support.ours import client_context, server_context


@pytest.mark.parametrize("version", [puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("by_id", [True, False])
def test_the_server_goes_on(pki: Pki, tmp_path: Path, version: puretls.TLSVersion, by_id: bool) -> None:
    chain = tmp_path / "chain.pem"
    junk = Authority("junk").issue(*(f"{number:060}.example" for number in range(1000)))
    chain.write_bytes(Path(pki.chain("client")).read_bytes() + junk.chain_pem)
    client, server = client_context(puretls, pki, version=version), server_context(puretls, pki, asks=True)
    client.load_cert_chain(chain, pki.key("client"))
    if by_id:
        server.options |= puretls.OP_NO_TICKET
    both = join(client, server).ok()
    assert both.send(both.client, b"up") == b"up"
    assert both.send(both.server, b"down") == b"down"
