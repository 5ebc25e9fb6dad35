"""The JA4 fingerprint, for explaining TLS to people; _wire/ja4.py computes it."""

from puretls._wire.ja4 import fingerprint as fingerprint  # noqa: PLC0414 - passed on
from puretls._wire.ja4 import ja4 as ja4  # noqa: PLC0414 - as above
