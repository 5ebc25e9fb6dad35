"""Certificates: names, paths, revocation, stores.  Knows nothing of TLS."""
