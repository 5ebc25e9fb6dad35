"""The connection and its states, without sockets, files or a clock."""
