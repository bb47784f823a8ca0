"""The suite of notes."""
