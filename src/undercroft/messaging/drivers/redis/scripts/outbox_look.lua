-- What is in a queue's outbox: now -> groups that may be taken, messages, 1 where messages have expired, 1 where there is nothing and no
-- subscription that lives.
local now = tonumber(ARGV[1])
local free = call('ZCARD', OUTBOX_FREE) + call('ZCOUNT', OUTBOX_HELD, '-inf', now)
local expired = call('ZCOUNT', OUTBOX_ENDS, '-inf', now)
local count = call('HLEN', OUTBOX)
local is_idle = count == 0 and not is_subscribed(now)
return {free, count, expired > 0 and 1 or 0, is_idle and 1 or 0}
