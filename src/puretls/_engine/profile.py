"""Profile: which parts of TLS are in use over a layer.  It is data, so that no state asks which layer it works over."""

from __future__ import annotations

from dataclasses import replace

from puretls._base.registry import TLS10, TLS11, TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT, Config


class Profile(NamedTuple):
    """What differs between TLS over records and the handshake of TLS 1.3 inside another protocol."""

    versions: tuple[int, ...] = (TLS13, TLS12, TLS11, TLS10)
    change_cipher_spec: bool = True  # of middlebox compatibility mode, with a session id (RFC 8446 D.4)
    session_id: bool = True  # a client of TLS 1.3 may send one
    record_size_limit: bool = True  # RFC 8449
    key_update: bool = True  # RFC 8446 4.6.3
    post_handshake_authentication: bool = True  # RFC 8446 4.6.2
    end_of_early_data: bool = True  # RFC 8446 4.5; and tickets limit the size of early data
    alpn_required: bool = False  # the handshake fails without a common protocol

    def fit(self, config: Config) -> Config:
        """`config` without the parts that are not in use here; `config` itself if it has none of them."""
        versions = tuple([version for version in config.versions if version in self.versions])
        compatible = self.change_cipher_spec or not config.options & OP_ENABLE_MIDDLEBOX_COMPAT
        limited = self.record_size_limit or config.record_size_limit is None
        later = self.post_handshake_authentication or not config.policy.post_handshake_auth
        if versions == config.versions and compatible and limited and later:
            return config
        return replace(
            config,
            versions=versions,
            options=config.options if compatible else config.options & ~OP_ENABLE_MIDDLEBOX_COMPAT,
            record_size_limit=config.record_size_limit if limited else None,
            policy=config.policy if later else replace(config.policy, post_handshake_auth=False),
        )


TLS = Profile()
QUIC = Profile(
    versions=(TLS13,),  # RFC 9001 4.2
    change_cipher_spec=False,  # RFC 9001 8.4
    session_id=False,  # RFC 9001 8.4
    record_size_limit=False,  # there are no records
    key_update=False,  # RFC 9001 6: QUIC has its own
    post_handshake_authentication=False,  # RFC 9001 4.4
    end_of_early_data=False,  # RFC 9001 8.3
    alpn_required=True,  # RFC 9001 8.1
)
