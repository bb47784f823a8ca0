-- What both scripts that set a queue's metadata need.

-- Keep the rule of dead letters beside the metadata it comes from, so that a claim need not read those: arguments from `first` on.
local function set_dead_letters(key, first)
  for place, field in ipairs({'dead_most', 'dead_queue', 'dead_ttl'}) do
    local value = ARGV[first + place - 1]
    if value == '' then
      redis.call('HDEL', key, field)
    else
      redis.call('HSET', key, field, value)
    end
  end
end
