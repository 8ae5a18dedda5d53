"""Readers and cards as PC/SC shows them. Only winscard.py knows pyscard."""
