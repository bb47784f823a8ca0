-- Free the messages of a live claim: now, its id's incarnation and number -> whether there is one.
local now, inc, number = tonumber(ARGV[1]), ARGV[2], ARGV[3]
open(inc)
local score = call('HGET', CLAIMS, 'c' .. number)
if not is_live(score, now) then
  return 0
end
local places = call('ZRANGEBYSCORE', HELD, score, score)
release(places, now)
forget_claim(score)
tell(#places)
return 1
