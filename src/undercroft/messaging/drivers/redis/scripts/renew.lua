-- Let a live claim begin anew: now, its id's incarnation and number, ttl, grace -> whether there is one.
local now, inc, number, span, grace = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
open(inc)
local old = call('HGET', CLAIMS, 'c' .. number)
if not is_live(old, now) then
  return 0
end
local places = call('ZRANGEBYSCORE', HELD, old, old)
forget_claim(old)
local ends = now + span * 1000
local score = new_score(ends, number)
local scored, changed, written = {}, {}, text(score)
for index, state in ipairs(held_states(places)) do
  local place = places[index]
  scored[index * 2 - 1], scored[index * 2] = written, place
  local claims, _, expires = struct.unpack(LIFE, state)
  if expires < ends then
    changed[#changed + 1] = place
    changed[#changed + 1] = struct.pack(LIFE, claims, span + grace, ends + grace * 1000)
  end
end
spread('ZADD', HELD, scored)
spread('HSET', STATE, changed)
keep_claim(score, number, ARGV[4])
if score < tonumber(old) then
  tell(0)
end
return 1
