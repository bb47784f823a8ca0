-- A page of the register: the project and name behind which it begins (empty for the beginning), limit -> project and name,
-- incarnation.
local names, incs = KEYS[1] .. ':names', KEYS[1] .. ':incs'
local found = {}
local page = redis.call('ZRANGEBYLEX', names, ARGV[1] == '' and '-' or '(' .. ARGV[1], '+', 'LIMIT', 0, ARGV[2])
for _, member in ipairs(page) do
  found[#found + 1] = {member, redis.call('HGET', incs, member) or ''}
end
return found
