-- Remember that an incarnation is in the register: the incarnation -> whether it is there still.
local key = KEYS[1] .. ':queue'
if redis.call('HGET', key, 'inc') ~= ARGV[1] then
  return 0
end
redis.call('HSET', key, 'listed', ARGV[1])
return 1
