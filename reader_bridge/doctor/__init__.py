"""What is wrong with this PC, and what to do."""
