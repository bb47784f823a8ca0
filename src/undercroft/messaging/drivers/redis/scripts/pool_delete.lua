-- Remove a pool: its name -> nil; its flavor where that exists and has no other pool.
local record = pool(ARGV[1])
if record then
  local flavor = record[3]
  if flavor ~= '' and #of(GROUPED, flavor, 2) == 1 and #of(NAMED, flavor, 1) == 1 then
    return flavor
  end
  forget(ARGV[1], record)
end
return false
