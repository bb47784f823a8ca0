"""The conformance suite of events: data, an oracle, a random walk, and the tests."""
