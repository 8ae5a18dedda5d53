"""The program beside a card reader, without a PC/SC stack."""
