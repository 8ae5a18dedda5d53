"""Legal orders: drafted, signed, served, obeyed or not, to their end."""
