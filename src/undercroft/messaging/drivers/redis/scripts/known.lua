-- Which dedup keys the queue remembers: now, keys -> id or nil of each; nil for no queue.
local now, inc = tonumber(ARGV[1]), call('HGET', QUEUE, 'inc')
if not inc then
  return false
end
open(inc)
local keys = {}
for index = 2, #ARGV do
  keys[index - 1] = ARGV[index]
end
local found = gather('HMGET', DEDUP, keys)
for index, kept in ipairs(found) do
  found[index] = kept and tonumber(string.sub(kept, DIGITS + 1)) > now and inc .. string.sub(kept, 1, DIGITS)
end
return found
