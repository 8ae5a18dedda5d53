"""`make bench`: what the server reaches, measured on a server and a PostgreSQL of its own."""
