-- How many messages are in a queue's outbox: now, groups that are looked through at most for those that have expired -> how many that
-- have not.
local now, expired = tonumber(ARGV[1]), 0
for _, group in ipairs(call('ZRANGEBYSCORE', OUTBOX_ENDS, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local _, _, gone = messages_of(group, now)
  expired = expired + #gone
end
return call('HLEN', OUTBOX) - expired
