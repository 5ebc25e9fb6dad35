"""Numbers and faults: what every layer shares."""
