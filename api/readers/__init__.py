"""Card readers at the counters: bridges, desks, intents, readings."""
