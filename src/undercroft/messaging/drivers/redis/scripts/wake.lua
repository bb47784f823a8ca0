-- Let subscriptions be due at a moment, unless they are before it: the moment, subscriptions -> 1.
--
-- KEYS[1]   base name of what is kept of all subscriptions
-- :due      sorted set: project, queue and id of a subscription, with U+0000 between, by the moment when it is due, or its lease ends
-- :tickets  hash: the same -> ticket of its lease, until that is settled or it is woken
-- :ticket   string: the last ticket
local due, tickets = KEYS[1] .. ':due', KEYS[1] .. ':tickets'
for index = 2, #ARGV do
  redis.call('HDEL', tickets, ARGV[index])
  redis.call('ZADD', due, 'LT', ARGV[1], ARGV[index])
end
return 1
