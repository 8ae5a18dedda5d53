"""A real PC/SC service with virtual cards in its readers; bench and demo use it too."""
