"""Benchmarks against the interpreter's own `ssl` and pyOpenSSL: `make bench`, or `python -m benchmarks --help`."""
