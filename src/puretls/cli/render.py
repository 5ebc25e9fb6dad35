"""How the command prints: with rich in a terminal where it is installed (the extra `cli`), as plain lines elsewhere.

Both say the same things in the same order. A screen knows shapes (headings, facts, a ladder, bars), not TLS.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from puretls.cli.observe import Message

MIB = 1 << 20
WIDE = 240  # of a line for pipes and logs
Advance = Callable[[int], None]


def screen() -> Plain:
    """The best screen for the output: rich or plain."""
    if sys.stdout.isatty():
        try:
            from puretls.cli.rich_screen import Rich  # noqa: PLC0415 - rich is an extra
        except ImportError:
            return Plain()
        return Rich()
    return Plain()


class Plain:
    """ASCII, one thing a line: for pipes, logs and terminals without rich."""

    def banner(self, title: str, note: str) -> None:
        """The title: the program and its version."""
        print(f"{title}: {note}")

    def heading(self, title: str, note: str = "") -> None:
        """A heading for what comes next."""
        print(f"\n{title}" + (f" ({note})" if note else ""), flush=True)

    def good(self, text: str) -> None:
        """A line for something that has worked."""
        print(f"  ok: {text}", flush=True)

    def bad(self, text: str) -> None:
        """A line for something that has failed."""
        print(f"  FAILED: {text}", flush=True)

    def facts(self, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
        """Named values side by side, one column a subject."""
        table = [["", *columns], *([name, *values] for name, values in rows.items())]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for line in table:
            print("  " + "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        """Named values, one below the other."""
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            print(f"  {name:{width}}  {value}")

    def mark(self, mark: str, _hue: str, text: str, below: Sequence[tuple[str, str]] = ()) -> None:
        """A line with a short mark before it, "good", "fair" or "bad"; what explains it stands below."""
        print(f"  {mark:3} {text}")
        for name, value in below:
            print(f"        {name:5} {value}")

    def ladder(self, messages: Sequence[Message]) -> None:
        """Messages between client and server, as the client saw them."""
        for message in messages:
            arrow = "-->" if message.sent else "<--"
            print(f"  {arrow} {message.name:22}{message.size:6,} bytes  {message.at * 1000:7.2f} ms")

    def rung(self, from_client: bool, name: str, size: int, at: float) -> None:
        """One message of a ladder that has more to say between its rungs."""
        arrow = f"{name} -->" if from_client else f"{'':24}<-- {name}"
        print(f"\n  {arrow:52}{size:6,} bytes  {at * 1000:7.2f} ms")

    def line(self, *parts: tuple[str, str]) -> None:
        """A line of parts, each with what it is: name, value, note, dim, secret, bad or nothing."""
        text = "".join(text for text, _ in parts).rstrip()
        print(text if len(text) <= WIDE else f"{text[: WIDE - 3]}...")

    def speeds(self, columns: Sequence[str], rows: Mapping[str, Sequence[float]]) -> None:
        """MiB/s of each contender, one column a direction."""
        width = max(map(len, rows))
        for name, values in rows.items():
            cells = "   ".join(f"{column} {value:7,.0f} MiB/s" for column, value in zip(columns, values, strict=True))
            print(f"  {name:{width}}   {cells}")

    def contest(self, names: tuple[str, str], rows: Mapping[str, tuple[float, float | None, str]]) -> None:
        """Rates of two contenders with their unit, and how many times as quick the first one is."""
        width = max(map(len, rows))
        print(f"  {'':{width}}  {names[0]:>9}  {names[1]:>9}        ratio")
        for name, (ours, theirs, unit) in rows.items():
            ratio = f"{ours / theirs:5.2f} {'#' * bar_of(ours / theirs)}" if theirs else "    -"
            print(f"  {name:{width}}  {ours:9,.0f}  {f'{theirs:,.0f}' if theirs else '-':>9}  {unit:4}  {ratio}")

    def invite(self, url: str, hints: Mapping[str, str]) -> None:
        """Where to point a browser."""
        print(f"\nServing {url} until Ctrl-C")
        for name, hint in hints.items():
            print(f"  {name}: {hint}")
        sys.stdout.flush()

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Advance]:
        """Count bytes towards `total`: a line that rewrites itself in a terminal, one line at the end elsewhere."""
        start, done, live = perf_counter(), 0, sys.stdout.isatty()

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if live:
                bar = "#" * (done * 30 // total)
                print(f"\r  {label:24} [{bar:30}] {done // MIB:5} MiB", end="", flush=True)

        try:
            yield advance
        finally:
            end = "\r" if live else "  "
            speed = done / MIB / (perf_counter() - start)
            print(
                f"{end}{label:24} {done // MIB:5} MiB of {total // MIB}, {speed:7,.0f} MiB/s" + " " * 24 * live,
                flush=True,
            )

    @contextmanager
    def steps(self, label: str, total: int, *, live: bool = True) -> Iterator[Callable[[str], None]]:
        """Count steps that take time; the caller says what was done. Only a terminal shows it, and only meanwhile."""
        done, live = 0, live and sys.stdout.isatty()

        def advance(what: str) -> None:
            nonlocal done
            done += 1
            if live:
                print(f"\r  {label} [{'#' * min(30, done * 30 // total):30}] {what[:30]:30}", end="", flush=True)

        try:
            yield advance
        finally:
            if live:
                print("\r" + " " * (len(label) + 66) + "\r", end="", flush=True)


def bar_of(ratio: float) -> int:
    """The length of a bar on which 1 is five wide."""
    return min(15, round(ratio * 5))


def describe(certificate: Any) -> str:
    """A certificate in a line: subject, key, and until when."""
    name = certificate.subject.rfc4514_string().removeprefix("CN=")
    key = certificate.public_key()
    curve, size = getattr(key, "curve", None), getattr(key, "key_size", None)
    kind = curve.name if curve else f"RSA {size}" if size else type(key).__name__.removesuffix("PublicKey")
    return f"{name} ({kind}, until {certificate.not_valid_after_utc:%Y-%m-%d})"
