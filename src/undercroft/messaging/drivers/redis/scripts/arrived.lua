-- Forget messages that another queue has taken: incarnation, their places -> 1.
open(ARGV[1])
local places = {}
for index = 2, #ARGV do
  places[index - 1] = ARGV[index]
end
spread('HDEL', OUT, places)
if call('EXISTS', OUT) == 0 and call('HGET', QUEUE, 'inc') == ARGV[1] then
  call('HDEL', QUEUE, 'out')
end
return 1
