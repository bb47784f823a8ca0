"""The drivers of samples, found by entry point."""
