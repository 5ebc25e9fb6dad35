"""What settings load: the modules to which only connections with such a setting come.

No connection imports anything (`_engine/roles.py`), so a feature is loaded when it is switched on.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from puretls._base.public import PACKAGE
from puretls._x509.checks import CRL_CHECK, CRL_CHECK_ALL

MODULES = {
    "client_types": ("_x509.raw_key",),
    "ech": ("_engine.ech_client",),
    "ech_keys": ("_engine.ech_config",),
    "request_ocsp": ("_x509.ocsp",),
    "server_types": ("_x509.raw_key",),
    "ocsp_response": ("_x509.ocsp",),
    "verify_flags": ("_x509.revocation",),
}
OF_SERVERS = ("_api.client_hello",)


def load_server() -> None:
    """Load what any server may be asked for."""
    for name in OF_SERVERS:
        import_module(f"{PACKAGE}.{name}")


def load(setting: str, value: Any) -> None:
    """Load what connections need when this setting has this value."""
    if setting == "verify_flags":
        value &= CRL_CHECK | CRL_CHECK_ALL
    if value:
        for name in MODULES[setting]:
            import_module(f"{PACKAGE}.{name}")
