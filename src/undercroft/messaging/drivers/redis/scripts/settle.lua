-- Say when a leased subscription is due next: the subscription, its ticket, the moment (empty for never) -> 1; 0 where that is not its
-- ticket any more. See wake.lua for the keys.
local due, tickets = KEYS[1] .. ':due', KEYS[1] .. ':tickets'
if redis.call('HGET', tickets, ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', tickets, ARGV[1])
redis.call('ZREM', due, ARGV[1])
if ARGV[3] ~= '' then
  redis.call('ZADD', due, ARGV[3], ARGV[1])
end
return 1
