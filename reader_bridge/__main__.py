"""`python -m reader_bridge` is `reader-bridge`."""

from reader_bridge.cli import entry

entry()
