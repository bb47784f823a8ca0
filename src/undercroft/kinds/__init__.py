"""One value for each kind of data, see `undercroft.core.kinds`. They import nothing of their kind, so that all are read quickly."""
