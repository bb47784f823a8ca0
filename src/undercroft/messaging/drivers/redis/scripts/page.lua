-- A page of messages: now, marker (an id, or empty), limit, whether a client's are left out (1), that client, whether those under
-- a claim are on it (1), whether those with a delay are (1)
-- -> incarnation, whether this is not the end (ask again, behind the marker), the marker, the messages (see `shown`); nil for no
-- queue.
local now, marker, limit, is_filtered, client = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
local with_claimed, with_delayed = ARGV[6] == '1', ARGV[7] == '1'
local inc = call('HGET', QUEUE, 'inc')
local refusal = unready(inc, now)
if refusal ~= nil then
  return refusal and {inc, 1, marker, {}}
end

local after = 0
if marker ~= '' then
  local moved = call('HGET', MOVED, marker)
  if moved then
    after = tonumber(string.sub(moved, 1, DIGITS), 16)
  elseif string.sub(marker, 1, 16) == inc then
    after = tonumber(string.sub(marker, 17), 16)
  elseif marker > inc then
    return {inc, 0, marker, {}}
  end
end

local function range(key, count)
  return call('ZRANGEBYSCORE', key, '(' .. text(after), '+inf', 'LIMIT', 0, count)
end

-- The next places that may be on the page, and whether these are the last.
local function candidates(count)
  local found
  if with_claimed then
    found = range(ALL, count)
    local is_last = #found < count
    if with_delayed or #found == 0 then
      return found, is_last, found[#found]
    end
    local kept, delays = {}, gather('ZMSCORE', LATER, found)
    for index, place in ipairs(found) do
      if not delays[index] then
        kept[#kept + 1] = place
      end
    end
    return kept, is_last, found[#found]
  end
  found = range(FREE, count)
  if with_delayed then
    for _, place in ipairs(range(LATER, count)) do
      found[#found + 1] = place
    end
    table.sort(found)
    for index = #found, count + 1, -1 do
      found[index] = nil
    end
  end
  return found, #found < count, found[#found]
end

local function is_from(body)
  local _, first, length = origin(body)
  return string.sub(body, first, first + length - 1) == client
end

local looked, kept = 0, {}
while true do
  -- More at once the more was left out; bounded, so that nobody waits long for a page that nearly everything is left out of.
  local count = math.min(math.max(limit - #kept, looked), PART)
  local places, is_last, last = candidates(count)
  local bodies = is_filtered and gather('HMGET', BODY, places)
  for index, place in ipairs(places) do
    if not bodies or not is_from(bodies[index]) then
      kept[#kept + 1] = place
      if #kept == limit then
        return {inc, 0, inc .. place, shown(kept, now)}
      end
    end
  end
  if last then
    after = tonumber(last, 16)
    marker = inc .. last
  end
  looked = looked + count
  if is_last then
    return {inc, 0, marker, shown(kept, now)}
  end
  if looked >= 2 * PART then
    return {inc, 1, marker, shown(kept, now)}
  end
end
