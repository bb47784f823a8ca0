-- Say whether the receiver has agreed: id, 0 or 1 -> 1; 0 where there is no such subscription.
local record = find(ARGV[2])
if not record then
  return 0
end
record[3] = tonumber(ARGV[3])
keep(ARGV[2], record)
return 1
