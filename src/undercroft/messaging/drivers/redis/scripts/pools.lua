-- The registers of pools and of flavors, which are in one slot: the last pool of a flavor that exists is not to be removed.
--
-- KEYS[1]       base name of both
-- :pools        sorted set of names, all of one score, so in the order of their texts
-- :pool         hash: name -> MessagePack of URI, weight, flavor (empty for none), options
-- :uris         hash: URI -> name
-- :grouped      sorted set, of one score: flavor, U+0000, name of a pool
-- :flavors      sorted set, of one score: project, U+0000, name
-- :flavor       hash: the same -> capabilities
-- :named        sorted set, of one score: name, U+0000, project

local call, base = redis.call, KEYS[1]
local POOLS, POOL, URIS, GROUPED = base .. ':pools', base .. ':pool', base .. ':uris', base .. ':grouped'
local FLAVORS, FLAVOR, NAMED = base .. ':flavors', base .. ':flavor', base .. ':named'

-- At most `count` members that begin with a word and U+0000.
local function of(key, word, count)
  return call('ZRANGEBYLEX', key, '[' .. word .. '\0', '(' .. word .. '\1', 'LIMIT', 0, count)
end

local function pool(name)
  local packed = call('HGET', POOL, name)
  return packed and cmsgpack.unpack(packed)
end

local function forget(name, record)
  call('HDEL', URIS, record[1])
  call('ZREM', GROUPED, record[3] .. '\0' .. name)
  call('HDEL', POOL, name)
  call('ZREM', POOLS, name)
end

-- Keep a pool in the place of what it was (nil for nothing); whether no other one has its URI.
local function keep(name, record, old)
  local taken = call('HGET', URIS, record[1])
  if taken and taken ~= name then
    return 0
  end
  if old then
    forget(name, old)
  end
  call('HSET', URIS, record[1], name)
  call('HSET', POOL, name, cmsgpack.pack(record))
  call('ZADD', POOLS, 0, name)
  if record[3] ~= '' then
    call('ZADD', GROUPED, 0, record[3] .. '\0' .. name)
  end
  return 1
end
