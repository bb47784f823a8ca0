-- The outbox of a queue: messages that are still to be handed out to its subscriptions. It outlives the queue, as those do.
--
-- A group is messages of one post, one behind the other: id of the first, ':', how many. Each is free or held.
--
-- :outbox       hash: id -> value, as in :INC:body
-- :outbox_free  sorted set of groups that may be taken, by place
-- :outbox_held  sorted set of groups that were taken, by the moment when they are free again
-- :outbox_ends  sorted set of groups by the moment when the first of its messages expires

local OUTBOX, OUTBOX_FREE = base .. ':outbox', base .. ':outbox_free'
local OUTBOX_HELD, OUTBOX_ENDS = base .. ':outbox_held', base .. ':outbox_ends'
-- Messages of a group at most.
local GROUP = 100

local function is_subscribed(now)
  local last = call('ZREVRANGE', base .. ':subs_ends', 0, 0, 'WITHSCORES')[2]
  return last and tonumber(last) > now
end

-- Enter messages that were just posted: incarnation, first place, how many, which argument has the moment of expiry of each, before
-- its value.
local function enter(inc, first, count, argument)
  local values, free, ends = {}, {}, {}
  for start = 0, count - 1, GROUP do
    local size, soonest = math.min(GROUP, count - start), math.huge
    for index = start, start + size - 1 do
      local at = argument(index + 1)
      values[index * 2 + 1], values[index * 2 + 2] = inc .. digits(first + index), ARGV[at + 1]
      soonest = math.min(soonest, tonumber(ARGV[at]))
    end
    local group, last = inc .. digits(first + start) .. ':' .. size, #free
    free[last + 1], free[last + 2] = first + start, group
    ends[last + 1], ends[last + 2] = text(soonest), group
  end
  spread('HSET', OUTBOX, values)
  spread('ZADD', OUTBOX_FREE, free)
  spread('ZADD', OUTBOX_ENDS, ends)
end
