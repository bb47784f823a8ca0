-- How full the queue is: now -> whether it has metadata, messages, those under a claim, incarnation, and where there are messages
-- the places of the first and the last one with the beginnings of their values; nil for no queue; 1 when more has to happen
-- before: ask again.
local now = tonumber(ARGV[1])
local inc, meta = unpack(call('HMGET', QUEUE, 'inc', 'meta'))
local refusal = unready(inc, now)
if refusal ~= nil then
  return refusal
end
local found = {meta and 1 or 0, call('ZCARD', ALL), call('ZCARD', HELD), inc}
if found[2] > 0 then
  local first, last = call('ZRANGE', ALL, 0, 0)[1], call('ZRANGE', ALL, -1, -1)[1]
  local bodies = call('HMGET', BODY, first, last)
  for index, place in ipairs({first, last}) do
    local _, name = origin(bodies[index])
    found[index * 2 + 3], found[index * 2 + 4] = place, string.sub(bodies[index], 1, name - 1)
  end
end
return found
