"""Changes of the tables, one file each, applied in order and never altered once released."""
