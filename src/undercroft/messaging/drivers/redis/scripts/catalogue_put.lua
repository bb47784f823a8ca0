-- Insert an entry, or change one: now, project and queue, pool, state, its version (empty to insert where there is none) -> whether
-- that was done.
local member, pool = ARGV[2], ARGV[3]
if (version_of(member) or '') ~= ARGV[5] then
  return 0
end
-- Not below the moment: a server that has lost the last ones, in a power cut or when a replica took over, gives none again.
local version = math.max(tonumber(call('GET', LAST) or 0) + 1, tonumber(ARGV[1]) * 512)
call('SET', LAST, string.format('%.0f', version))
call('HSET', ENTRY, member, struct.pack('<I8H', version, #pool) .. pool .. ARGV[4])
call('ZADD', NAMES, 0, member)
return 1
