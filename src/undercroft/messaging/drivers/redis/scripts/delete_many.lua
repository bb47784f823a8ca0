-- Delete messages: now, how many ids, the ids, then (with -1 as another argument before them) the claims that they have to be under
-- -> 0; 1, id of a message under no claim; 2, claim of a message that is not among them. Nothing is deleted then.
local now, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local inc = call('HGET', QUEUE, 'inc')
if not inc then
  return {0}
end
open(inc)
local places, named, foreign = {}, {}, {}
for index = 3, count + 2 do
  local id = ARGV[index]
  if string.sub(id, 1, 16) == inc then
    places[#places + 1] = string.sub(id, 17)
    named[#places] = id
  end
  foreign[index - 2] = id
end
if call('EXISTS', MOVED) == 1 then
  for index, moved in ipairs(gather('HMGET', MOVED, foreign)) do
    if moved then
      places[#places + 1] = string.sub(moved, 1, DIGITS)
      named[#places] = foreign[index]
    end
  end
end
local scores = gather('ZMSCORE', HELD, places)

if #ARGV > count + 2 then
  local claims = {}
  for index = count + 4, #ARGV do
    claims[ARGV[index]] = true
  end
  local ends = gather('ZMSCORE', ENDS, places)
  for index, place in ipairs(places) do
    local score, expires = scores[index], ends[index]
    if is_live(score, now) then
      local claim = inc .. (claim_of(score) or '')
      if not claims[claim] then
        return {2, claim}
      end
    else
      if score then
        local _
        _, _, expires = struct.unpack(LIFE, held_states({place})[1])
      end
      if expires and tonumber(expires) > now then
        return {1, named[index]}
      end
    end
  end
end

local held, others, shorter = {}, {}, {}
for index, place in ipairs(places) do
  local score = scores[index]
  if score then
    held[#held + 1] = place
    shorter[score] = true
  else
    others[#others + 1] = place
  end
end
spread('ZREM', HELD, held)
drop(held)
remove(others)
forget_empty(shorter)
return {0}
