-- What scripts need that go through the outbox of a queue; behind entries.lua.

-- The place by which a group is ordered.
local function place_of(group)
  return tonumber(string.sub(group, 17, ID), 16)
end

-- The ids of a group's messages.
local function ids_of(group)
  local inc, first, ids = string.sub(group, 1, 16), place_of(group), {}
  for index = 1, tonumber(string.sub(group, ID + 2)) do
    ids[index] = inc .. digits(first + index - 1)
  end
  return ids
end

-- The messages of a group that are still there: ids and values of those that live, ids of those that have expired, and when the
-- next one expires.
local function messages_of(group, now)
  local ids, live, values, expired, soonest = ids_of(group), {}, {}, {}, math.huge
  for index, value in ipairs(gather('HMGET', OUTBOX, ids)) do
    if value then
      local born, ttl = struct.unpack(HEAD, value)
      local ends = born + ttl * 1000
      if ends > now then
        live[#live + 1], values[#values + 1] = ids[index], value
        soonest = math.min(soonest, ends)
      else
        expired[#expired + 1] = ids[index]
      end
    end
  end
  return live, values, expired, soonest
end

-- Remove groups that have no messages any more.
local function forget_groups(groups)
  for _, key in ipairs({OUTBOX_FREE, OUTBOX_HELD, OUTBOX_ENDS}) do
    spread('ZREM', key, groups)
  end
end
