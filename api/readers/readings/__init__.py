"""What was read: taken once, used once, kept as its purpose says."""
