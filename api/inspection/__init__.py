"""Inspection: the standard checklist and its rules, plans, visits, findings, orders."""
