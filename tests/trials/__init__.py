"""Trials: real processes that are killed, cut off and starved while phones keep pushing."""
