-- Remove an entry: project and queue, its version (empty for any) -> whether that was done.
local version = version_of(ARGV[1])
if not version or ARGV[2] ~= '' and ARGV[2] ~= version then
  return 0
end
call('HDEL', ENTRY, ARGV[1])
call('ZREM', NAMES, ARGV[1])
return 1
