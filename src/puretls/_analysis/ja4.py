"""The JA4 fingerprint for who explains TLS to people; how it is made is said in _wire/ja4.py."""

from puretls._wire.ja4 import fingerprint as fingerprint  # noqa: PLC0414 - passed on
from puretls._wire.ja4 import ja4 as ja4  # noqa: PLC0414 - as above
