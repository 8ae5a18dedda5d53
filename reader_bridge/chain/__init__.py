"""What this device has stated: signed, numbered, on the disk until the server has it."""
