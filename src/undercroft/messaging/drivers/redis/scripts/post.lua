-- Store messages without delay and dedup id: now, what is made where there is no queue (see open_or_make), whether subscribers are
-- to be notified (1), then moment of expiry and value of each -> incarnation, whether the register has it, first place; nil where nothing is to be made.
local inc, listed, last = open_or_make(ARGV[2])
if not inc then
  return false
end
local now, count = tonumber(ARGV[1]), (#ARGV - 3) / 2
local first = new_numbers('place', last, count, now)
local bodies, places, ends = {}, {}, {}
for index = 1, count do
  local number, at = first + index - 1, index * 2
  local place = digits(number)
  bodies[at - 1], bodies[at] = place, ARGV[at + 3]
  places[at - 1], places[at] = number, place
  ends[at - 1], ends[at] = ARGV[at + 2], place
end
spread('HSET', BODY, bodies)
spread('ZADD', ALL, places)
spread('ZADD', FREE, places)
spread('ZADD', ENDS, ends)
if ARGV[3] == '1' and is_subscribed(now) then
  enter(inc, first, count, function(index) return index * 2 + 2 end)
end
tell(count)
return {inc, listed, first}
