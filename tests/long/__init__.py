"""The long trials (`make test-long`): those of tests/trials with more rounds, bounded in time."""
