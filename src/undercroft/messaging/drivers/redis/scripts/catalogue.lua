-- The catalogue: what its scripts begin with.
--
-- KEYS[1]  base name
-- :names   sorted set, of one score: project, U+0000, queue
-- :entry   hash: the same -> version (8 bytes), length of the pool's name (2), that name, state
-- :last    string: the last version

local call, NAMES, ENTRY, LAST = redis.call, KEYS[1] .. ':names', KEYS[1] .. ':entry', KEYS[1] .. ':last'

-- The version of an entry; nil for none.
local function version_of(member)
  local kept = call('HGET', ENTRY, member)
  return kept and string.format('%.0f', (struct.unpack('<I8', kept)))
end
