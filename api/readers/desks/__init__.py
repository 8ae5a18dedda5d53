"""Desks of an office, and which reader stands on which."""
