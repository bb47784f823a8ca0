-- Claim the first messages that are free: now, ttl, grace, limit, whether to say what there is to wait for (1), whether to claim
-- only when all are free that are to be (1), whether the rule of dead letters is given (1: metadata are in another store), and that
-- rule: claims (empty for none), queue, ttl (empty for none)
-- -> incarnation, number of the claim (nil for none), whether more is due (ask again, if there is no claim), the messages (place,
-- value, state or nil), what is on its way to other queues (see `on_the_way`); nil for no queue.
local now, span, grace, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local inc, claims_made, most, target, life, out =
  unpack(call('HMGET', QUEUE, 'inc', 'claims', 'dead_most', 'dead_queue', 'dead_ttl', 'out'))
if not inc then
  return false
end
open(inc)
if ARGV[7] == '1' then
  most, target, life = ARGV[8], ARGV[9], ARGV[10]
end
most, life = tonumber(most or ''), tonumber(life or '')
local _, more, late = settle(now)
if late and ARGV[6] == '1' then
  return {inc, false, 1, {}, {}}
end
local places
places, more = take(limit, now, more)

local ends = now + span * 1000
local found, held, states, dead = {}, {}, {}, {}
local bodies, lives = gather('HMGET', BODY, places), gather('HMGET', STATE, places)
for index, place in ipairs(places) do
  local body = bodies[index]
  local claims, ttl, expires = life_of(body, lives[index])
  if most and claims >= most then
    local born = struct.unpack(HEAD, body)
    if life then
      born, ttl, expires = now, life, now + life * 1000
    end
    send(inc, target, place, body, born, ttl, expires, claims)
    dead[#dead + 1] = place
    out = true
  else
    local state, last = false, #found
    if expires < ends then
      state = struct.pack(LIFE, claims + 1, span + grace, ends + grace * 1000)
    elseif claims > 0 then
      state = struct.pack(LIFE, claims + 1, ttl, expires)
    end
    if state then
      states[#states + 1] = place
      states[#states + 1] = state
    end
    found[last + 1], found[last + 2], found[last + 3] = place, body, state
    held[#held + 1] = place
  end
end
spread('ZREM', ENDS, places)
drop(dead)

local number = false
if #held > 0 then
  number = digits(new_numbers('claims', claims_made, 1, now))
  local score = new_score(ends, number)
  local scored, written = {}, text(score)
  for index, place in ipairs(held) do
    scored[index * 2 - 1], scored[index * 2] = written, place
  end
  spread('ZADD', HELD, scored)
  spread('HSET', STATE, states)
  keep_claim(score, number, ARGV[2])
end
if number or out or more then
  return {inc, number, more and 1 or 0, found, out and on_the_way() or {}}
end
return ARGV[5] == '1' and coming(now)
