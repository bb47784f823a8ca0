"""Plumbing of the engines: connections, deadlines, retries, error translation. No kind's logic."""
