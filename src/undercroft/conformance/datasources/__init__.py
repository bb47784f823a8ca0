"""The conformance suite of datasources."""
