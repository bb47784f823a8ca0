-- Whether a queue needs cleaning: the moment -> its incarnation, 1 where it does; nil where it is gone.
local now = ARGV[1]
local inc = redis.call('HGET', KEYS[1] .. ':queue', 'inc')
if not inc then
  return false
end
local own = KEYS[1] .. ':' .. inc .. ':'
-- Most have nothing at all.
if redis.call('EXISTS', own .. 'all', own .. 'out', own .. 'dedup_ends', own .. 'moved_ends') == 0 then
  return {inc, 0}
end
-- The score of a claim begins with the moment when it is over.
local over = string.format('%.0f', tonumber(now) * 256 + 255)
-- Messages may be on their way to another queue.
local due = redis.call('EXISTS', own .. 'out')
for name, latest in pairs({ends = now, delayed = now, dedup_ends = now, moved_ends = now, held = over}) do
  if #redis.call('ZRANGEBYSCORE', own .. name, '-inf', latest, 'LIMIT', 0, 1) > 0 then
    due = 1
  end
end
return {inc, due}
