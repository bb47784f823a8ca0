-- Remove the first messages that are free: now, limit, whether to do so only when all are free that are to be (1) -> incarnation,
-- whether more is due (ask again, if there are none), the messages (place, value, state, nil); nil for no queue.
local inc, now, limit = call('HGET', QUEUE, 'inc'), tonumber(ARGV[1]), tonumber(ARGV[2])
if not inc then
  return false
end
open(inc)
local _, more, late = settle(now)
if late and ARGV[3] == '1' then
  return {inc, 1, {}}
end
local places
places, more = take(limit, now, more)
local bodies, lives, found = gather('HMGET', BODY, places), gather('HMGET', STATE, places), {}
for index, place in ipairs(places) do
  local last = #found
  found[last + 1], found[last + 2], found[last + 3], found[last + 4] = place, bodies[index], lives[index], false
end
spread('ZREM', ENDS, places)
drop(places)
return {inc, more and 1 or 0, found}
