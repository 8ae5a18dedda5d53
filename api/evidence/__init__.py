"""Evidence: uploads, originals that are written once, what was found out about them."""
