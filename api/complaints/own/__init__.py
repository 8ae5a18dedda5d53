"""Whoever told a complaint, or said "me too": reading, adding, files, the slip and the page."""
