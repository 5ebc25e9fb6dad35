"""Messages and extensions: bytes to values and back, nothing else."""
