-- Whether a queue has messages, or remembers some: its incarnation -> 1; nil where it does not.
open(ARGV[1])
return call('EXISTS', ALL, OUT, DEDUP_ENDS, MOVED_ENDS) > 0 and 1
