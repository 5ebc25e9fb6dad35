"""Tables of algorithms and key schedules over PyCA cryptography."""
