"""TLS bytes explained to people: records and messages as trees of fields, fingerprints. No I/O."""
