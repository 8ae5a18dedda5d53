"""Visits of premises: planned, recorded in the field, reviewed, shown to the factory."""
