"""Documents that anyone can verify: signed content, its PDF, and whether it is in force."""
