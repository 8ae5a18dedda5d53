"""Whom complaints are about, visits because of them, and what follows from these."""
