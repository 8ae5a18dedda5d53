"""The Thai national ID card: its commands, its fields, and one reading that is whole or a fault."""
