-- Remove a subscription: id -> 1; 0 where there is none.
local there = redis.call('HEXISTS', records, ARGV[2])
remove(ARGV[2])
return there
