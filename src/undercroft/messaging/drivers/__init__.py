"""Drivers of messages, found by entry point."""
