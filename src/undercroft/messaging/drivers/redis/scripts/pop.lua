-- Remove the first messages that are free: now, limit -> incarnation, whether more is due (ask again, if there are none), the messages
-- (place, value, state, nil); nil for no queue.
local inc, now, limit = call('HGET', QUEUE, 'inc'), tonumber(ARGV[1]), tonumber(ARGV[2])
if not inc then
  return false
end
open(inc)
local _, more = settle(now, ON_THE_WAY)
local found, looked = {}, 0
while limit > 0 do
  local popped = call('ZPOPMIN', FREE, limit)
  if #popped == 0 then
    break
  end
  local places, expired = {}, 0
  for index = 1, #popped, 2 do
    places[#places + 1] = popped[index]
  end
  local bodies, lives = gather('HMGET', BODY, places), gather('HMGET', STATE, places)
  for index, place in ipairs(places) do
    local _, _, expires = life_of(bodies[index], lives[index])
    if expires <= now then
      expired = expired + 1
    else
      local last = #found
      found[last + 1], found[last + 2], found[last + 3], found[last + 4] = place, bodies[index], lives[index], false
    end
  end
  spread('ZREM', ENDS, places)
  drop(places)
  looked, limit = looked + expired, expired
  if looked >= PART then
    more = true
    break
  end
end
return {inc, more and 1 or 0, found}
