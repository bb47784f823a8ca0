"""Messages and queues in Redis, or in a cluster of its servers."""
