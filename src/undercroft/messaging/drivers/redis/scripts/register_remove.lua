-- Strike out a queue: its project and name, the incarnation that is gone -> whether it was there. Another one of the name stays.
local names, incs = KEYS[1] .. ':names', KEYS[1] .. ':incs'
if redis.call('HGET', incs, ARGV[1]) == ARGV[2] then
  redis.call('HDEL', incs, ARGV[1])
  redis.call('ZREM', names, ARGV[1])
  return 1
end
return 0
