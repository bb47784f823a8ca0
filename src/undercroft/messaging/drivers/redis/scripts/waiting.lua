-- What is on its way to other queues -> incarnation, the messages (see `on_the_way`); nil for none.
local inc, out = unpack(call('HMGET', QUEUE, 'inc', 'out'))
if not inc or not out then
  return false
end
open(inc)
return {inc, on_the_way()}
