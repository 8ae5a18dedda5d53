"""The program beside a card reader. It knows nothing of the API but their shared messages."""
