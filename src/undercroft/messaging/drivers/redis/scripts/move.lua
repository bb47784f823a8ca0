-- Messages on their way to another queue, which may be in another slot: they are in :out until that has them. Whoever finds some
-- there sends them again; a queue takes a message once only, by how often it has moved.

-- Put a message on its way, one that is in no set but :all: its place, value, what it is to have, and the name of the other queue.
local function send(inc, target, place, body, born, ttl, expires, claims)
  local id, first, length = origin(body)
  local rest, moves = string.sub(body, first), 0
  id = id or inc .. place
  local known = call('HGET', MOVED, id)
  if known then
    moves = tonumber(string.sub(known, DIGITS + 1))
  end
  call('HSET', OUT, place, cmsgpack.pack({target, id, moves + 1, born, ttl, expires, claims, length, rest}))
  call('HSET', QUEUE, 'out', 1)
end

-- Messages that are on their way, one after the other: place, name of the queue, and what that takes; a part of them, if many.
local function on_the_way()
  local found = {}
  for index, each in ipairs(call('HSCAN', OUT, 0, 'COUNT', PART)[2]) do
    if index % 2 == 1 then
      found[#found + 1] = each
    else
      found[#found + 1] = cmsgpack.unpack(each)[1]
      found[#found + 1] = each
    end
  end
  return found
end
