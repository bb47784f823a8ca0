-- Make a queue: its incarnation if there is none (empty to make none then), project, name, metadata, most, queue and ttl of dead
-- letters (empty for none) -> whether it was made, its incarnation, whether that is in the register; nil for none.
local key = KEYS[1] .. ':queue'
local inc, meta, listed = unpack(redis.call('HMGET', key, 'inc', 'meta', 'listed'))
if not inc then
  if ARGV[1] == '' then
    return false
  end
  -- Messages that came first have made the hash, without metadata.
  inc = ARGV[1]
  redis.call('HSET', key, 'inc', inc, 'project', ARGV[2], 'name', ARGV[3])
end
if not meta then
  redis.call('HSET', key, 'meta', ARGV[4])
  set_dead_letters(key, 5)
end
return {meta and 0 or 1, inc, listed == inc and 1 or 0}
