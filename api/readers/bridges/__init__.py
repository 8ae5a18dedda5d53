"""The desk PCs that have readers: enrolment, approval, what is attached, their end."""
