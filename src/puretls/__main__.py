"""`python -m puretls` is the command `puretls`."""

from __future__ import annotations

import sys

from puretls.cli import main

if __name__ == "__main__":
    sys.exit(main())
