"""Adapters for the host projects' own plug-in points: thin classes over `undercroft.connect`. Nothing here is imported by us."""
