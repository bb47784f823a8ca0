-- Lease subscriptions that are due, the longest first: now, limit, moment when each is due again -> subscription and ticket of each.
-- See wake.lua for the keys.
local base, now = KEYS[1], tonumber(ARGV[1])
local due, tickets, last = base .. ':due', base .. ':tickets', base .. ':ticket'
local members = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, ARGV[2])
if #members == 0 then
  return {}
end
-- Not below the moment: a server that has lost the last tickets, in a power cut or when a replica took over, gives none again.
local ticket = math.max(tonumber(redis.call('GET', last) or 0), now * 512)
local found = {}
for index, member in ipairs(members) do
  ticket = ticket + 1
  -- Out first: a server whose memory is full refuses only what comes before that.
  redis.call('ZREM', due, member)
  redis.call('ZADD', due, ARGV[3], member)
  redis.call('HSET', tickets, member, string.format('%.0f', ticket))
  found[index * 2 - 1], found[index * 2] = member, ticket
end
redis.call('SET', last, string.format('%.0f', ticket))
return found
