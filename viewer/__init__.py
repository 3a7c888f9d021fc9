"""The application that neurologist and patient open together."""

from viewer.added_page import AddedPage
from viewer.app import create_viewer

__all__ = ["AddedPage", "create_viewer"]
