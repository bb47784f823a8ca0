"""One module or package an engine; reached by entry point."""
