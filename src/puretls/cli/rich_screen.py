"""The screen for terminals: colours, bars and moving progress, by rich."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from puretls.cli.observe import Message
from puretls.cli.render import Advance, Plain, bar_of

BAR, ARROW = 20, 16  # columns of the widest throughput bar, of the arrow of a message
FIGURES = 30  # columns that a ladder wants beside names and arrows
WIDE = 92  # columns that a rung takes which has its sides
CONTEST = 56  # columns that a contest takes beside its names
STYLES = {"name": "bright_cyan", "note": "", "dim": "dim", "secret": "bright_yellow", "bad": "bold red"}
HUES = ("bright_cyan", "bright_magenta", "bright_black")


class Rich(Plain):
    """The same words as Plain, laid out for eyes."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)

    def banner(self, title: str, note: str) -> None:
        """Who is speaking."""
        self.console.print(
            Panel(Text(note, "dim"), title=Text(title, "bold bright_cyan"), title_align="left", expand=False)
        )

    def heading(self, title: str, note: str = "") -> None:
        """What comes next."""
        self.console.print()
        self._hang(("●", "bright_cyan"), Text.assemble((title, "bold"), (f"  {note}" if note else "", "dim")))

    def good(self, text: str) -> None:
        """Something worked."""
        self._hang(("  ✔", "bold green"), Text(text))

    def bad(self, text: str) -> None:
        """Something did not."""
        self._hang(("  ✘", "bold red"), Text(text, "red"))

    def _hang(self, mark: tuple[str, str], text: Text) -> None:
        """A mark, and what is behind it, which stays behind it in every line that it takes."""
        table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row(Text(*mark), text)
        self.console.print(table)

    def facts(self, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
        """Named values side by side, one column a subject; where that is too wide, one behind the other."""
        widths = [max(map(len, cells)) for cells in zip(columns, *rows.values(), strict=True)]
        if max(map(len, rows)) + sum(widths) + 5 * (len(widths) + 1) > self.console.width:
            self._joined({"": columns, **rows})
            return
        table = Table(box=None, padding=(0, 3, 0, 2), header_style="bold")
        table.add_column("", style="dim")
        for column in columns:
            table.add_column(column)
        for name, values in rows.items():
            table.add_row(name, *(Text(value, "dim" if value in ("-", "no") else "") for value in values))
        self.console.print(table)

    def _joined(self, rows: Mapping[str, Sequence[str]]) -> None:
        """All values of a row behind its name, or below it where most would not fit there, or one not at all."""
        pairs = [(name, " | ".join(values)) for name, values in rows.items()]
        left = self.console.width - max(map(len, rows)) - 6
        longer = [len(values) for _, values in pairs if len(values) > left]
        if 2 * len(longer) <= len(pairs) and max(longer, default=0) <= 2 * left:
            self.pairs(pairs)
            return
        for name, values in pairs:
            if name:
                self.console.print(Text(f"  {name}", "dim"))
            self.console.print(Padding(Text(values, "dim" if not name else ""), (0, 0, 0, 6)))

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        """Named values, one below the other."""
        table = Table(box=None, padding=(0, 1, 0, 2), show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, Text(value, "dim" if value in ("-", "none") else ""))
        self.console.print(table)

    def mark(self, mark: str, hue: str, text: str, below: Sequence[tuple[str, str]] = ()) -> None:
        """A line with a short mark before it, coloured by what it means; what explains it stands below."""
        colour = {"good": "black on green", "fair": "black on yellow", "bad": "bold white on red"}[hue]
        table = Table(box=None, padding=(0, 1, 0, 1), show_header=False)
        table.add_column(no_wrap=True, width=4)
        table.add_column(overflow="fold")
        table.add_row(Text(f" {mark:2} ", colour), Text(text, "bold"))
        for name, value in below:
            table.add_row("", Text.assemble((f"{name:6}", "dim"), value))
        self.console.print(table)

    def ladder(self, messages: Sequence[Message]) -> None:
        """Messages between client and server, as the client saw them."""
        table = Table(box=None, padding=(0, 1, 0, 1), header_style="dim")
        table.add_column(" client", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("server", no_wrap=True)
        table.add_column("bytes", justify="right", style="bright_cyan", no_wrap=True)
        table.add_column("ms", justify="right", style="dim", no_wrap=True)
        names = sum(max((len(one.name) for one in messages if one.sent is sent), default=6) for sent in (True, False))
        line = "─" * (max(2, min(ARROW, self.console.width - names - FIGURES)) - 1)
        for message in messages:
            if message.sent:
                sides = (f" {message.name}", Text(f"{line}▶", "bright_blue"), "")
            else:
                sides = ("", Text(f"◀{line}", "bright_green"), message.name)
            table.add_row(*sides, f"{message.size:,}", f"{message.at * 1000:.2f}")
        self.console.print(table)

    def rung(self, from_client: bool, name: str, size: int, at: float) -> None:
        """One message of a ladder that has more to say between its rungs."""
        line = "─" * (ARROW - 1)
        text = Text("\n  ")
        if self.console.width < WIDE:
            hue, arrow = ("bright_blue", "──▶") if from_client else ("bright_green", "◀──")
            text.append(f"{arrow} ", hue).append(f"{name:<26}", f"bold {hue}")
        elif from_client:
            text.append(f"{name:<26}", "bold bright_blue").append(f"{line}▶", "bright_blue").append(" " * 26)
        else:
            text.append(" " * 26).append(f"◀{line} ", "bright_green").append(f"{name:<25}", "bold bright_green")
        text.append(f"{size:>9,} B", "bright_cyan").append(f"{at * 1000:>9.2f} ms", "dim")
        self.console.print(text, no_wrap=True, overflow="ellipsis")

    def line(self, *parts: tuple[str, str]) -> None:
        """A line of parts, each with what it is; what does not fit is cut, notes are wrapped."""
        text = Text.assemble(*((words, STYLES.get(kind, "")) for words, kind in parts))
        whole = "".join(words for words, _ in parts)
        if any(kind == "value" for _, kind in parts):
            self.console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            indent = len(whole) - len(whole.lstrip(" "))
            self.console.print(Padding(Text.assemble(*_without(parts, indent)), (0, 0, 0, indent)))

    def speeds(self, columns: Sequence[str], rows: Mapping[str, Sequence[float]]) -> None:
        """MiB/s of each contender, one bar a direction, all on one scale."""
        table = Table(box=None, padding=(0, 1, 0, 1), header_style="dim")
        table.add_column("", no_wrap=True, min_width=1 + max(map(len, rows)))
        left = self.console.width - max(map(len, rows)) - 4 - len(columns) * 13  # what names and figures leave for bars
        bar = max(4, min(BAR, left // len(columns)))
        for column in columns:
            table.add_column(column, width=bar)
            table.add_column("MiB/s", justify="right", no_wrap=True)
        most = max(max(values) for values in rows.values())
        for (name, values), hue in zip(rows.items(), HUES, strict=False):
            cells: list[Text] = []
            for value in values:
                cells += Text("█" * round(value / most * bar), hue), Text(f"{value:,.0f}", "bold")
            table.add_row(Text(f" {name}"), *cells)
        self.console.print(table)

    def contest(self, names: tuple[str, str], rows: Mapping[str, tuple[float, float | None, str]]) -> None:
        """Rates of two contenders; the bar says at a glance who is quicker."""
        table = Table(box=None, padding=(0, 1, 0, 1), header_style="bold")
        bars = self.console.width >= max(map(len, rows)) + CONTEST
        table.add_column("")
        for name in (*names, "", "ratio"):
            table.add_column(name, justify="left" if name == "" else "right", no_wrap=True)
        if bars:
            table.add_column("", no_wrap=True)
        for name, (ours, theirs, unit) in rows.items():
            ratio = ours / theirs if theirs else 0.0
            hue = "green" if ratio >= 1 else "yellow"
            table.add_row(
                name,
                Text(f"{ours:,.0f}", "bold"),
                f"{theirs:,.0f}" if theirs else "-",
                Text(unit, "dim"),
                Text(f"{ratio:.2f}" if theirs else "-", hue),
                *([Text("█" * bar_of(ratio), hue)] if bars else []),
            )
        self.console.print(table)

    def invite(self, url: str, hints: Mapping[str, str]) -> None:
        """Where to point a browser."""
        lines = Text.assemble("Open ", (url, f"bold bright_cyan link {url}"), "   ", ("Ctrl-C ends it", "dim"))
        for name, hint in hints.items():
            lines.append(f"\n{name:8}", "dim").append(hint)
        self.console.print()
        self.console.print(Panel(lines, border_style="bright_cyan", expand=False))

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Advance]:
        """Count bytes towards `total` with a moving bar."""
        columns = (
            TextColumn(f"  {label:24}"),
            BarColumn(30, complete_style="bright_cyan", finished_style="green"),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True, refresh_per_second=8) as bars:
            task = bars.add_task(label, total=total)
            yield lambda count: bars.advance(task, count)

    @contextmanager
    def steps(self, label: str, total: int, *, live: bool = True) -> Iterator[Callable[[str], None]]:
        """Count steps that take time, with a bar that goes away."""
        columns = (
            TextColumn(f"  {label}"),
            BarColumn(30, complete_style="bright_cyan"),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=self.console, transient=True, disable=not live) as bars:
            task = bars.add_task("", total=total)
            yield lambda what: bars.update(task, advance=1, description=what)


def _without(parts: Sequence[tuple[str, str]], indent: int) -> Iterator[tuple[str, str]]:
    """Parts in rich's styles, without the spaces that the first of them begin with."""
    for words, kind in parts:
        cut = min(indent, len(words) - len(words.lstrip(" ")))
        indent -= cut
        yield words[cut:], STYLES.get(kind, "")
