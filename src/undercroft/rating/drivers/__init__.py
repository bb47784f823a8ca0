"""Drivers of rated usage, one module or package an engine; reached by entry point only."""
