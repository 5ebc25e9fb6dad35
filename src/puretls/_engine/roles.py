"""Loading the modules of a role, before a connection needs them.

`import puretls` does not load the states of either role, because most programs play only one.  The first context that
can play a role loads it.  So a connection never imports anything, whatever has happened to the file system by then
(chroot, a sandbox), and processes that fork after their context is ready share what was loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from puretls._engine.handshake import Handshake, State

first_states: dict[bool, Callable[[Handshake], State]] = {}  # by server_side, of the roles that are loaded


def first_state(hs: Handshake) -> State:
    """The first state of a connection."""
    begin = first_states.get(hs.server_side)
    if begin is None:
        (load_server if hs.server_side else load_client)()
        begin = first_states[hs.server_side]
    return begin(hs)


@cache
def load_client() -> None:
    """Load the client, in every version."""
    from puretls._engine import client12, client_start  # noqa: F401, PLC0415 - the purpose of this module

    first_states[False] = client_start.begin


@cache
def load_server() -> None:
    """Load the server, in every version."""
    from puretls._engine import server_start  # noqa: PLC0415

    first_states[True] = server_start.begin
