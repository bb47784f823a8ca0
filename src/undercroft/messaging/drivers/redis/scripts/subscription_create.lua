-- Make a subscription: random digits and the queue's digest, which its id ends with, subscriber, ttl, options -> its id; nil where the subscriber has one.
local subscriber = ARGV[3]
local taken = redis.call('HGET', uris, subscriber)
if taken then
  if find(taken) then
    return false
  end
  remove(taken)
end
purge()
-- Each has a millisecond of its own, so that the order of ids is that of their making.
local last = redis.call('ZREVRANGE', ids, 0, 0)[1]
local moment = math.max(now, last and tonumber(string.sub(last, 1, 12), 16) + 1 or 0)
local id = string.format('%012x', moment) .. ARGV[2]
redis.call('ZADD', ids, 0, id)
redis.call('HSET', uris, subscriber, id)
keep(id, {now, tonumber(ARGV[4]), 0, subscriber, ARGV[5]})
return id
