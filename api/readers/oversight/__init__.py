"""Who read which card, where and for what: what the auditor asks. Never a number, never a name."""
