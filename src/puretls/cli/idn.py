"""Names with letters beyond ASCII, in the command: IDNA 2008 (RFC 5891) as browsers have it, by the package idna.

Python's own codec "idna" is of IDNA 2003, where straße.test and strasse.test are one name; registries have not sold
names by it for a long time.  Without the package, names on which the two differ are refused rather than confused.
"""

from __future__ import annotations

from puretls.cli.text import printable

DEVIATIONS = frozenset("ßς\u200c\u200d")  # UTS 46, table 4: what 2003 has changed or dropped


def a_labels(name: str) -> str:
    """The name as DNS, SNI and certificates have it; ValueError says what is wrong with it."""
    if name.isascii():
        return name
    if name.startswith("*."):
        return "*." + a_labels(name[2:])
    try:
        import idna  # noqa: PLC0415 - an extra, for names that need it
    except ImportError:
        if DEVIATIONS & set(name.lower()):
            raise ValueError(f"{printable(name)} needs the package idna: pip install 'puretls[cli]'") from None
        try:
            return name.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError(f"not a host name: {printable(name)}") from None
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError as error:  # IDNAError is one
        raise ValueError(f"not a host name: {printable(name)} ({printable(str(error))})") from None


def both_ways(name: str) -> str:
    """The name, and what it means if it is made of A-labels: both, as letters of two alphabets may look alike."""
    meant = u_labels(name)
    return f"{printable(name)} ({printable(meant)})" if meant else printable(name)


def u_labels(name: str) -> str:
    """What A-labels mean; "" if there are none, or they mean nothing."""
    if not (name.isascii() and any(label.lower().startswith("xn--") for label in name.split("."))):
        return ""
    try:
        import idna  # noqa: PLC0415 - see above
    except ImportError:
        try:
            return name.encode("ascii").decode("idna")
        except UnicodeError:
            return ""
    star, rest = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        return star + idna.decode(rest)
    except UnicodeError:
        return ""
