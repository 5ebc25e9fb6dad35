"""The surface of the ssl module over the engine; sockets, files, time and callbacks live here."""
