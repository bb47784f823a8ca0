-- The pools of a flavor, in the order of their names -> name and record of each.
local found = {}
for _, member in ipairs(of(GROUPED, ARGV[1], -1)) do
  local name = string.sub(member, #ARGV[1] + 2)
  found[#found + 1] = {name, unpack(pool(name))}
end
return found
