-- Take messages from another queue, or another store, each once: now, what is made where there is no queue (see open_or_make), what was sent
-- -> incarnation, whether the register has it; nil where nothing is to be made.
local now = tonumber(ARGV[1])
local inc, listed, last = open_or_make(ARGV[2])
if not inc then
  return false
end
for index = 3, #ARGV do
  local _, id, moves, born, ttl, expires, claims, length, rest = unpack(cmsgpack.unpack(ARGV[index]))
  local known = call('HGET', MOVED, id)
  if expires > now and not (known and tonumber(string.sub(known, DIGITS + 1)) >= moves) then
    last = new_numbers('place', last, 1, now)
    local place = digits(last)
    local head
    if #id == ID then
      head = struct.pack(HEAD, born, ttl, length + FROM_QUEUE)
    else
      head = struct.pack(HEAD, born, ttl, length + FROM_STORE) .. struct.pack(LENGTH, #id)
    end
    call('HSET', BODY, place, head .. id .. rest)
    if claims > 0 or expires ~= born + ttl * 1000 then
      call('HSET', STATE, place, struct.pack(LIFE, claims, ttl, expires))
    end
    call('ZADD', ALL, last, place)
    call('ZADD', FREE, last, place)
    call('ZADD', ENDS, expires, place)
    call('HSET', MOVED, id, place .. text(moves))
    -- Remembered longer than it lives, for markers and for what is sent again.
    call('ZADD', MOVED_ENDS, expires + REMEMBERED, id)
  end
end
tell(#ARGV - 2)
return {inc, listed}
