-- Change a pool: its name, then number and value of each field -> 1; 0 where another one has the URI; nil where there is none.
local record, old = pool(ARGV[1]), pool(ARGV[1])
if not record then
  return false
end
for index = 2, #ARGV, 2 do
  record[tonumber(ARGV[index])] = ARGV[index + 1]
end
return keep(ARGV[1], record, old)
