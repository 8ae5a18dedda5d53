"""A signed-in session waits for a card in one reader."""
