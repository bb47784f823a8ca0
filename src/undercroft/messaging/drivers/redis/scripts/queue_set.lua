-- Replace the metadata of a queue: metadata, most, queue and ttl of dead letters (empty for none) -> whether there is such a queue.
local key = KEYS[1] .. ':queue'
if redis.call('HEXISTS', key, 'meta') == 0 then
  return 0
end
redis.call('HSET', key, 'meta', ARGV[1])
set_dead_letters(key, 2)
return 1
