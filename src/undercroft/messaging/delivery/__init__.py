"""Delivery: what was posted to a queue is sent to its subscribers."""
