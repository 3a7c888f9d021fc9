"""The service around the reference database: command line, HTTP interface, viewer."""

__version__ = "0.1.0"
