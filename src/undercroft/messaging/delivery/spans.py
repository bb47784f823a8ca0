"""How long what a process has taken is nobody else's, in seconds: when it dies, others go on so much later."""

# Entries of the outbox.
TAKEN = 20
# A subscription, and what was claimed in its lane: a wave takes less, with a sender's deadline of up to 30 s.
LEASE = CLAIM = 60
