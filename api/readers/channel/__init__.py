"""The lines to bridges and to officers' screens, over any number of servers."""
