-- Remove messages from a queue's outbox: group and id of each -> how many there were.
local ids, groups, removed = {}, {}, 0
for index = 1, #ARGV, 2 do
  local group = ARGV[index]
  if not ids[group] then
    ids[group] = {}
    groups[#groups + 1] = group
  end
  table.insert(ids[group], ARGV[index + 1])
end

local function is_empty(group)
  for _, id in ipairs(ids_of(group)) do
    if call('HEXISTS', OUTBOX, id) == 1 then
      return false
    end
  end
  return true
end

local empty = {}
for _, group in ipairs(groups) do
  local count = spread('HDEL', OUTBOX, ids[group])
  removed = removed + count
  -- Nearly always all of a group are removed together.
  if count == tonumber(string.sub(group, ID + 2)) or is_empty(group) then
    empty[#empty + 1] = group
  end
end
forget_groups(empty)
return removed
