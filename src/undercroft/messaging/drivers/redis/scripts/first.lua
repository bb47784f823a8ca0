-- The first message of the queue, or the last one: now, 1 or -1 -> incarnation, the message (see `shown`); nil for none; 1 when
-- more has to happen before: ask again.
local inc, now = call('HGET', QUEUE, 'inc'), tonumber(ARGV[1])
local refusal = unready(inc, now)
if refusal ~= nil then
  return refusal
end
local at = ARGV[2] == '1' and 0 or -1
return {inc, shown(call('ZRANGE', ALL, at, at), now)}
