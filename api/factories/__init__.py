"""Premises, licences and categories: the factory register."""
