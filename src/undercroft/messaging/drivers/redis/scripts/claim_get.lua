-- A live claim: now, its id's incarnation and number -> moment when it ends, ttl, its messages (see `shown`); nil for none.
local now, inc, number = tonumber(ARGV[1]), ARGV[2], ARGV[3]
open(inc)
local score = call('HGET', CLAIMS, 'c' .. number)
if not is_live(score, now) then
  return false
end
local ttl = tonumber(string.sub(call('HGET', CLAIMS, score), DIGITS + 2))
return {math.floor(tonumber(score) / 256), ttl, shown(call('ZRANGEBYSCORE', HELD, score, score), now)}
