-- How many messages are in a queue's outbox: now, groups that are looked through at most for those that have expired -> how many that
-- have not, about when the first of all was posted (0 for none).
local now, expired = tonumber(ARGV[1]), 0
for _, group in ipairs(call('ZRANGEBYSCORE', OUTBOX_ENDS, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local _, _, gone = messages_of(group, now)
  expired = expired + #gone
end
local free, held = call('ZRANGE', OUTBOX_FREE, 0, 0)[1], call('ZRANGE', OUTBOX_HELD, 0, 0)[1]
local first = math.min(free and place_of(free) or math.huge, held and place_of(held) or math.huge)
return {call('HLEN', OUTBOX) - expired, first < math.huge and math.floor(first / 512) or 0}
