"""What the roles need, loaded before they are played.

`import puretls` leaves the states of both roles alone, as most programs play one of them.  The first context that can
play a role loads it: so a connection never imports anything, whatever has become of the file system by then (chroot, a
sandbox), and processes that fork with their context ready share what was loaded.
"""

from __future__ import annotations

from functools import cache


@cache
def load_client() -> None:
    """The client, in every version."""
    from puretls._engine import client12, client_start  # noqa: F401, PLC0415 - the purpose of this module
    from puretls._x509 import revocation  # noqa: F401, PLC0415


@cache
def load_server() -> None:
    """The server, likewise."""
    from puretls._engine import server12, server_start  # noqa: F401, PLC0415
    from puretls._x509 import revocation  # noqa: F401, PLC0415
