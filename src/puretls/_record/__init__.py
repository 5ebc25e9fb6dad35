"""Records: framing, protection, buffers."""
