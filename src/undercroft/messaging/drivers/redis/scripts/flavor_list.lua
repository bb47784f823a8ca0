-- Flavors of a project in the order of their names: project, name behind which to begin (empty for the beginning), limit (-1 for all)
-- -> name and capabilities of each.
local project, found = ARGV[1], {}
local low, high = '(' .. project .. '\0' .. ARGV[2], '(' .. project .. '\1'
for _, member in ipairs(call('ZRANGEBYLEX', FLAVORS, low, high, 'LIMIT', 0, ARGV[3])) do
  found[#found + 1] = {string.sub(member, #project + 2), call('HGET', FLAVOR, member)}
end
return found
