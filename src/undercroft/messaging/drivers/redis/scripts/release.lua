-- Free the messages of a live claim: now, its id's incarnation and number -> whether there is one.
local now, inc, number = tonumber(ARGV[1]), ARGV[2], ARGV[3]
open(inc)
local score = call('HGET', CLAIMS, 'c' .. number)
if not is_live(score, now) then
  return 0
end
release(call('ZRANGEBYSCORE', HELD, score, score), now)
forget_claim(score)
return 1
