"""Card readers as assets: asked for, allocated, distributed, in service, and where they are."""
