-- Remove a flavor: project, name -> 1.
local member = ARGV[1] .. '\0' .. ARGV[2]
call('HDEL', FLAVOR, member)
call('ZREM', FLAVORS, member)
call('ZREM', NAMED, ARGV[2] .. '\0' .. ARGV[1])
return 1
