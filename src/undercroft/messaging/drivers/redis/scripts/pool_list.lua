-- Pools in the order of their names: name behind which to begin (empty for the beginning), limit (-1 for all) -> name and record of
-- each.
local found = {}
local low = ARGV[1] == '' and '-' or '(' .. ARGV[1]
for _, name in ipairs(call('ZRANGEBYLEX', POOLS, low, '+', 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = {name, unpack(pool(name))}
end
return found
