"""The conformance suite of messaging: data, an oracle, a random walk, and the tests."""
