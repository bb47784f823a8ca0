-- What there is to wait for: now -> whether something is free, or soon removed; when a claim or a delay ends next (nil for never);
-- nil for no queue.
local now, inc = tonumber(ARGV[1]), call('HGET', QUEUE, 'inc')
if not inc then
  return false
end
open(inc)
local free = call('EXISTS', FREE) + call('ZCOUNT', HELD, '-inf', text(now * 256 + 255)) + call('ZCOUNT', DELAYED, '-inf', now)
return {free > 0 and 1 or 0, coming(now)}
