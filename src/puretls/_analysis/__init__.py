"""TLS explained to people: records and messages as trees of fields, fingerprints, and what a server says to any hello.

No I/O: bytes go in, facts come out. The command line is what reads, asks and shows.
"""
