-- A page of subscriptions: marker (an id, or empty), limit -> records.
purge()
local marker, limit, found = ARGV[2], tonumber(ARGV[3]), {}
while #found < limit do
  local page = redis.call('ZRANGEBYLEX', ids, marker == '' and '-' or '(' .. marker, '+', 'LIMIT', 0, limit)
  for _, id in ipairs(page) do
    local record = find(id)
    if record and #found < limit then
      found[#found + 1] = shown(id, record)
    end
  end
  if #page < limit then
    break
  end
  marker = page[#page]
end
return found
