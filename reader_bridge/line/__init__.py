"""The line to the server: outbound only, by WebSocket or HTTP, and the key that speaks on it."""
