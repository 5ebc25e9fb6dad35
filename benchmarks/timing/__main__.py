"""Does time tell what it should not?  `python -m benchmarks.timing [PATTERN] [--samples N]`, or `make timing`.

Prints for each class how much longer it takes than the first of its experiment, with a 95 % interval, and the same for
a control that is the first class again: what is no farther from zero than the control has not been seen.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys

from benchmarks.timing import handshakes, records
from benchmarks.timing.measure import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timing", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("pattern", nargs="?", default="", help="only experiments whose name matches this expression")
    parser.add_argument("--samples", type=int, default=100_000, help="of each class (default 100000; handshakes fewer)")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores; nanoseconds")
    for experiment in (*records.experiments(), *handshakes.experiments()):
        if not re.search(arguments.pattern, experiment.name):
            continue
        base, findings = run(experiment, arguments.samples)
        print(f"\n{experiment.name}: {next(iter(experiment.classes))!r} takes {base:,.0f}")
        for finding in findings:
            print(
                f"  {finding.name:26} {finding.difference:+10.1f}  [{finding.low:+.1f}, {finding.high:+.1f}]",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
