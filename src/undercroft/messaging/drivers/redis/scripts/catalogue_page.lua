-- A page of entries in the order of projects and queues: where it begins and ends (as for ZRANGEBYLEX), limit -> project and queue,
-- value of each.
local found = {}
for _, member in ipairs(call('ZRANGEBYLEX', NAMES, ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])) do
  found[#found + 1] = {member, call('HGET', ENTRY, member)}
end
return found
