"""What a reading serves where the answer is the accounts': a person, and an officer."""
