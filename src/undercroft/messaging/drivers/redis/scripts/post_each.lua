-- Store messages with all that they may have: now, what is made where there is no queue (see open_or_make), key of a receipt (empty for none), its
-- digest, its answer, moment when it is forgotten, milliseconds until its key goes, the ids that the answer was made of (`any` to
-- store whatever they are, and keep the ids in the place of the answer), whether subscribers are to be notified (1); then of each
-- message moment of expiry, value, end of its delay, dedup key (both empty for none).
-- -> 0, incarnation, whether the register has it, places
--    1, incarnation, places: what the ids would be, where the answer was made of others; nothing is stored
--    2, digest, answer: of the first post with the receipt; 2, digest, false, incarnation, places where that kept the ids
--    nil where nothing is to be made
local now, key, expected = tonumber(ARGV[1]), ARGV[3], ARGV[8]
local receipt = base .. ':receipt:' .. key
if key ~= '' then
  local kept = call('GET', receipt)
  kept = kept and cmsgpack.unpack(kept)
  if kept and tonumber(kept[1]) > now then
    return {2, kept[2], kept[3], kept[4], kept[5]}
  end
end
local FIRST, EACH = 10, 4
local count = (#ARGV - FIRST + 1) / EACH
local inc, last = unpack(call('HMGET', QUEUE, 'inc', 'place'))
if not inc and ARGV[2] == '' and count > 0 then
  return false
end
inc = inc or string.sub(ARGV[2], 1, 16)
local upcoming = first_number(last, now)
open(inc)

-- Which messages have been stored already, and the places of the others.
local keys, known = {}, {}
for index = 0, count - 1 do
  local dedup = ARGV[FIRST + index * EACH + 3]
  if dedup ~= '' then
    keys[#keys + 1] = dedup
  end
end
for index, kept in ipairs(gather('HMGET', DEDUP, keys)) do
  if kept and tonumber(string.sub(kept, DIGITS + 1)) > now then
    known[keys[index]] = string.sub(kept, 1, DIGITS)
  end
end
local places, fresh = {}, {}
for index = 1, count do
  local at = FIRST + (index - 1) * EACH
  local dedup = ARGV[at + 3]
  local place = known[dedup]
  if not place then
    place = digits(upcoming)
    upcoming = upcoming + 1
    fresh[#fresh + 1] = at
    if dedup ~= '' then
      known[dedup] = place
    end
  end
  places[index] = place
end
local joined = table.concat(places)
local keeps_ids = expected == 'any'
if key ~= '' and count > 0 and not keeps_ids and expected ~= inc .. joined then
  return {1, inc, joined}
end

local listed = 1
if count > 0 then
  inc, listed = open_or_make(ARGV[2])
end
if #fresh > 0 then
  local number = new_numbers('place', last, #fresh, now) - 1
  local bodies, all, free, later, delayed, ends, deduped, dedup_ends = {}, {}, {}, {}, {}, {}, {}, {}
  local function add(list, first, second)
    list[#list + 1] = first
    list[#list + 1] = second
  end
  for _, at in ipairs(fresh) do
    number = number + 1
    local expires, delay, dedup, place = ARGV[at], ARGV[at + 2], ARGV[at + 3], digits(number)
    add(bodies, place, ARGV[at + 1])
    add(all, number, place)
    add(ends, expires, place)
    if delay ~= '' then
      add(later, number, place)
      add(delayed, delay, place)
    else
      add(free, number, place)
    end
    if dedup ~= '' then
      add(deduped, dedup, place .. expires)
      add(dedup_ends, expires, dedup)
    end
  end
  spread('HSET', BODY, bodies)
  spread('ZADD', ALL, all)
  spread('ZADD', FREE, free)
  spread('ZADD', LATER, later)
  spread('ZADD', DELAYED, delayed)
  spread('ZADD', ENDS, ends)
  if #deduped > 0 then
    spread('HSET', DEDUP, deduped)
    spread('ZADD', DEDUP_ENDS, dedup_ends)
  end
  if ARGV[9] == '1' and is_subscribed(now) then
    enter(inc, number - #fresh + 1, #fresh, function(index) return fresh[index] end)
  end
  tell(#free / 2)
end
if key ~= '' then
  local kept = keeps_ids and {ARGV[6], ARGV[4], false, inc, joined} or {ARGV[6], ARGV[4], ARGV[5]}
  call('SET', receipt, cmsgpack.pack(kept), 'PX', ARGV[7])
end
return {0, inc, listed, joined}
