"""Telling people: an inbox for each account, and push to their phones. Knows no other feature."""
