-- Remove what has expired from a queue's outbox: now, groups at most -> how many messages, 1 where more is due.
local now, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local groups, gone, empty, left = call('ZRANGEBYSCORE', OUTBOX_ENDS, '-inf', now, 'LIMIT', 0, most), {}, {}, {}
for _, group in ipairs(groups) do
  local live, _, expired, soonest = messages_of(group, now)
  for _, id in ipairs(expired) do
    gone[#gone + 1] = id
  end
  if #live == 0 then
    empty[#empty + 1] = group
  else
    left[#left + 1] = text(soonest)
    left[#left + 1] = group
  end
end
spread('HDEL', OUTBOX, gone)
forget_groups(empty)
spread('ZADD', OUTBOX_ENDS, left)
return {#gone, #groups == most and 1 or 0}
