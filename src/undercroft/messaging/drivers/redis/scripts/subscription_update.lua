-- Change a subscription: id, ttl, subscriber, options, each empty to keep what it is -> 1; 0 where another one has the subscriber;
-- nil where there is none.
local id, ttl, subscriber, options = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local record = find(id)
if not record then
  return false
end
if subscriber ~= '' and subscriber ~= record[4] then
  local taken = redis.call('HGET', uris, subscriber)
  if taken then
    if find(taken) then
      return 0
    end
    remove(taken)
  end
  redis.call('HDEL', uris, record[4])
  redis.call('HSET', uris, subscriber, id)
  record[4] = subscriber
end
if ttl ~= '' then
  record[1], record[2] = now, tonumber(ttl)
end
if options ~= '' then
  record[5] = options
end
keep(id, record)
return 1
