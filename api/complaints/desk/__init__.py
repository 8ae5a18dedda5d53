"""The officers' desk: lists, reading with a trace, and the verbs that move a complaint."""
