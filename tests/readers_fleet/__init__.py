"""Card readers as assets."""
