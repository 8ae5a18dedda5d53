"""What the public sees of complaints: released words, counts, the export."""
