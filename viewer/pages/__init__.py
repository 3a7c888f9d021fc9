"""One module per page: `layout` says what stands on it, `register` wires what changes."""
