-- Tidy the queue: now, the most keys of each sort that are forgotten -> messages that were removed, whether more is due,
-- incarnation, what is on its way to other queues (see `on_the_way`); nil for no queue.
local now, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local inc, out = unpack(call('HMGET', QUEUE, 'inc', 'out'))
if not inc then
  return false
end
open(inc)
local removed, more = settle(now)
local keys = call('ZRANGEBYSCORE', DEDUP_ENDS, '-inf', now, 'LIMIT', 0, most)
spread('HDEL', DEDUP, keys)
spread('ZREM', DEDUP_ENDS, keys)
local ids, forgotten, later = call('ZRANGEBYSCORE', MOVED_ENDS, '-inf', now, 'LIMIT', 0, most), {}, {}
for index, moved in ipairs(gather('HMGET', MOVED, ids)) do
  -- A claim may have prolonged its life.
  if moved and call('HEXISTS', BODY, string.sub(moved, 1, DIGITS)) == 1 then
    later[#later + 1] = now + REMEMBERED
    later[#later + 1] = ids[index]
  else
    forgotten[#forgotten + 1] = ids[index]
  end
end
spread('HDEL', MOVED, forgotten)
spread('ZREM', MOVED_ENDS, forgotten)
spread('ZADD', MOVED_ENDS, later)
return {removed, (more or #keys == most or #ids == most) and 1 or 0, inc, out and on_the_way() or {}}
