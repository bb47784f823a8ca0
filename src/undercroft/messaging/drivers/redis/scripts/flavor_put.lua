-- Make a flavor, or change it: project, name, capabilities, whether it is only to be changed (1) -> 1; 0 where there is none.
local member = ARGV[1] .. '\0' .. ARGV[2]
if ARGV[4] == '1' and call('HEXISTS', FLAVOR, member) == 0 then
  return 0
end
call('HSET', FLAVOR, member, ARGV[3])
call('ZADD', FLAVORS, 0, member)
call('ZADD', NAMED, 0, ARGV[2] .. '\0' .. ARGV[1])
return 1
