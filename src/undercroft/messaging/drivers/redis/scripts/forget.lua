-- Remove the queue with all that it has -> its incarnation, 1 where nothing was done, since messages are on their way from here to
-- another queue; nil for no queue. Receipts and subscriptions stay.
local inc = call('HGET', QUEUE, 'inc')
if not inc then
  return false
end
open(inc)
if call('EXISTS', OUT) == 1 then
  return {inc, 1}
end
call('UNLINK', QUEUE, BODY, ALL, FREE, LATER, DELAYED, HELD, ENDS, STATE, CLAIMS, DEDUP, DEDUP_ENDS, MOVED, MOVED_ENDS)
return {inc, 0}
