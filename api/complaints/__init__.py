"""Complaints: told once, answered always; who told is sealed."""
