"""Files that a context reads again (reloading.py): the attributes of contexts."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from puretls._api.reloading import Reloader
    from puretls._api.settings import Settings


class _ReloadSettings:
    """The methods and attributes of an SSLContext about files that it reads again."""

    if TYPE_CHECKING:
        _settings: Settings

    def reload(self) -> bool:
        """Read now what was loaded with `reload=`, whether its time has come or not; whether something has changed.

        What cannot be used changes nothing: see `reload_error`.
        """
        reloader: Reloader | None = self._settings._reloader
        return reloader is not None and reloader.reload(self._settings)

    @property
    def reload_error(self) -> Exception | None:
        """Why files that were loaded with `reload=` could not be used when somebody looked last; None if all is well.

        What was loaded before goes on meanwhile, and the logger "puretls" has a warning for each change.
        """
        reloader: Reloader | None = self._settings._reloader
        return None if reloader is None else reloader.error

    @property
    def certificate_not_after(self) -> datetime | None:
        """Until when the context's own certificates are valid: the first end of several; None if there is none."""
        ends = [credential.leaf.not_after for credential in self._settings.own_credentials]
        return datetime.fromtimestamp(min(ends), timezone.utc) if ends else None
