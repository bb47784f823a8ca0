-- Messages by their ids: now, ids -> incarnation, the messages (see `shown`); nil for no queue.
local inc = call('HGET', QUEUE, 'inc')
if not inc then
  return false
end
open(inc)
local places, ids = {}, {}
for index = 2, #ARGV do
  local id = ARGV[index]
  ids[index - 1] = id
  if string.sub(id, 1, 16) == inc then
    places[#places + 1] = string.sub(id, 17)
  end
end
if call('EXISTS', MOVED) == 1 then
  for _, moved in ipairs(gather('HMGET', MOVED, ids)) do
    if moved then
      places[#places + 1] = string.sub(moved, 1, DIGITS)
    end
  end
end
return {inc, shown(places, tonumber(ARGV[1]))}
