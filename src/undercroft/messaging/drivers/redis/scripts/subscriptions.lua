-- The subscriptions of one queue, which outlive it: what every script about them begins with.
--
-- KEYS[1]       base name of the queue's keys; ARGV[1] the moment in milliseconds
-- :subs         sorted set of ids, all of one score, so in the order of their texts, which is that of their making
-- :subs_record  hash: id -> MessagePack of born, ttl, confirmed, subscriber, options
-- :subs_uri     hash: subscriber -> id
-- :subs_ends    sorted set: id by the moment when it expires

local base, now = KEYS[1], tonumber(ARGV[1])
local ids, records, uris, ends = base .. ':subs', base .. ':subs_record', base .. ':subs_uri', base .. ':subs_ends'
-- Subscriptions that a call removes at most because they expired.
local AT_ONCE = 1000
-- Milliseconds that the keys outlive the last subscription: clocks may differ.
local LINGERS = 86400000

-- A live subscription as born, ttl, confirmed, subscriber, options; nil for none.
local function find(id)
  local packed = redis.call('HGET', records, id)
  local record = packed and cmsgpack.unpack(packed)
  if record and record[1] + record[2] * 1000 > now then
    return record
  end
end

local function shown(id, record)
  return {id, record[1], record[2], record[3], record[4], record[5]}
end

local function remove(id)
  local packed = redis.call('HGET', records, id)
  if packed then
    redis.call('HDEL', uris, cmsgpack.unpack(packed)[4])
    redis.call('HDEL', records, id)
    redis.call('ZREM', ids, id)
    redis.call('ZREM', ends, id)
  end
end

local function keep(id, record)
  redis.call('HSET', records, id, cmsgpack.pack(record))
  redis.call('ZADD', ends, record[1] + record[2] * 1000, id)
  local last = redis.call('ZREVRANGE', ends, 0, 0, 'WITHSCORES')[2]
  -- No queue may be left through which somebody would remove them, so the keys themselves expire.
  local left = math.max(0, tonumber(last) - now) + LINGERS
  for _, key in ipairs({ids, records, uris, ends}) do
    redis.call('PEXPIRE', key, string.format('%.0f', left))
  end
end

local function purge()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', ARGV[1], 'LIMIT', 0, AT_ONCE)) do
    remove(id)
  end
end
