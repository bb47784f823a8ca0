-- One pool: its name -> its name and record; nil for none.
local record = pool(ARGV[1])
return record and {ARGV[1], unpack(record)}
