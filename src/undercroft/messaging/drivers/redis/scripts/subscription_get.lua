-- One subscription: id, or empty and the subscriber -> record or nil.
local id = ARGV[2] ~= '' and ARGV[2] or redis.call('HGET', uris, ARGV[3])
local record = id and find(id)
return record and shown(id, record)
