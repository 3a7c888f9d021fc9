"""The application that neurologist and patient open together."""

from viewer.app import create_viewer

__all__ = ["create_viewer"]
