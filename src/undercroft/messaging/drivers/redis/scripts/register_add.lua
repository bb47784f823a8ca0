-- Enter a queue: its project and name, its incarnation, whether that is known to live -> 1.
-- An incarnation sorts by when it was made, so what is entered late replaces nothing newer.
local names, incs = KEYS[1] .. ':names', KEYS[1] .. ':incs'
local known = redis.call('HGET', incs, ARGV[1])
if not known or ARGV[3] == '1' or known < ARGV[2] then
  redis.call('HSET', incs, ARGV[1], ARGV[2])
  redis.call('ZADD', names, 0, ARGV[1])
end
return 1
