"""The inspection standard: its data, its rules, and publishing a version."""
