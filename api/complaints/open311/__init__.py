"""Open311 GeoReport v2: what programs of others may tell and ask of complaints."""
