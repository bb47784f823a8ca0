-- Put the first messages that are free on their way to another queue, as if they were posted now: now, name of that queue, limit,
-- bytes
-- -> incarnation, how many, whether more is due (ask again), what is on its way (see `on_the_way`); nil for no queue.
local now, target, limit, room = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local inc, out = unpack(call('HMGET', QUEUE, 'inc', 'out'))
local refusal = unready(inc, now)
if refusal ~= nil then
  return refusal and {inc, 0, 1, out and on_the_way() or {}}
end
local places, sent = call('ZRANGE', FREE, 0, math.min(limit, PART) - 1), {}
for _, place in ipairs(places) do
  local body = call('HGET', BODY, place)
  local _, ttl = life_of(body, call('HGET', STATE, place))
  send(inc, target, place, body, now, ttl, now + ttl * 1000, 0)
  sent[#sent + 1] = place
  room = room - #body
  if room <= 0 then
    break
  end
end
remove(sent)
return {inc, #sent, 0, (out or #sent > 0) and on_the_way() or {}}
