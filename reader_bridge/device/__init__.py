"""What this PC is: its folder, its key, and that only one program serves it."""
