"""The application that neurologist and patient open together."""
