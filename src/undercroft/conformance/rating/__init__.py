"""The conformance suite of rated usage: data, an oracle, a random walk, and the tests."""
