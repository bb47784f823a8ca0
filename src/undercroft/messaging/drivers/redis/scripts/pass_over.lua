-- Forget when subscriptions are due that are gone: the subscriptions -> 1. See wake.lua for the keys.
for _, member in ipairs(ARGV) do
  redis.call('HDEL', KEYS[1] .. ':tickets', member)
  redis.call('ZREM', KEYS[1] .. ':due', member)
end
return 1
