-- Whether messages are in the sets where they belong: the place behind which to begin (empty for the beginning), how many at most,
-- the moment -> the last place (empty for none), how many are wrong. nil where the queue is gone.
local inc = call('HGET', QUEUE, 'inc')
if not inc then
  return false
end
open(inc)
local after = ARGV[1] == '' and '-inf' or '(' .. text(tonumber(ARGV[1], 16))
local places = call('ZRANGEBYSCORE', ALL, after, '+inf', 'LIMIT', 0, ARGV[2])
local bodies = gather('HMGET', BODY, places)
local free, later, held = gather('ZMSCORE', FREE, places), gather('ZMSCORE', LATER, places), gather('ZMSCORE', HELD, places)
local ends, delayed, states = gather('ZMSCORE', ENDS, places), gather('ZMSCORE', DELAYED, places), gather('HMGET', STATE, places)
local wrong, now = 0, tonumber(ARGV[3])
for index = 1, #places do
  local body, score = bodies[index], held[index]
  local sets = (free[index] and 1 or 0) + (later[index] and 1 or 0) + (score and 1 or 0)
  -- One that has expired may be waiting for its removal.
  local right = body and (sets == 1 or sets == 0 and tonumber(ends[index] or 'inf') <= now)
  right = right and (later[index] and true or false) == (delayed[index] and true or false)
  if score then
    right = right and not ends[index] and claim_of(score)
  else
    local _, _, expires = life_of(body or string.rep('\0', 14), states[index])
    right = right and ends[index] and tonumber(ends[index]) == expires
  end
  if not right then
    wrong = wrong + 1
  end
end
return {places[#places] or '', wrong}
