"""People, companies, officers, offices, authorities and sessions, and how they sign in."""
