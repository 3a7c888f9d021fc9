"""Frozen releases of the reference database: made once, hashed, verified at every opening, never overwritten."""
