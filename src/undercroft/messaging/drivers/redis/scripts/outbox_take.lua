-- Take messages out of a queue's outbox, whole groups in the order of the posts: now, how many at least where they are there, bytes
-- after which it is enough, moment until which they are taken -> group, id and value of each.
local now, limit, room, taken_until = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local over = call('ZRANGEBYSCORE', OUTBOX_HELD, '-inf', now, 'LIMIT', 0, PART)
local again = {}
for index, group in ipairs(over) do
  again[index * 2 - 1], again[index * 2] = place_of(group), group
end
-- What gives memory back, or takes none, comes first: a server whose memory is full refuses a script only before it has begun.
spread('ZREM', OUTBOX_HELD, over)
spread('ZADD', OUTBOX_FREE, again)

local found, taken, gone, empty, count = {}, {}, {}, {}, 0

local function take_group(group)
  local live, values, expired = messages_of(group, now)
  for index, id in ipairs(live) do
    local last = #found
    found[last + 1], found[last + 2], found[last + 3] = group, id, values[index]
    room = room - #values[index]
  end
  for _, id in ipairs(expired) do
    gone[#gone + 1] = id
  end
  if #live > 0 then
    count = count + #live
    taken[#taken + 1] = taken_until
    taken[#taken + 1] = group
  else
    empty[#empty + 1] = group
  end
end

local looked, step = 0, math.min(limit, PART)
while count < limit and room > 0 and looked < PART do
  local groups = call('ZRANGE', OUTBOX_FREE, looked, looked + step - 1)
  for _, group in ipairs(groups) do
    if count >= limit or room <= 0 then
      break
    end
    take_group(group)
  end
  looked = looked + step
  if #groups < step then
    break
  end
end
spread('HDEL', OUTBOX, gone)
forget_groups(empty)
if count > 0 then
  call('ZREMRANGEBYRANK', OUTBOX_FREE, 0, #taken / 2 - 1)
  spread('ZADD', OUTBOX_HELD, taken)
end
return found
