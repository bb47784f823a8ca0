-- What is to be said of a queue at once: the moment -> 1 where it has metadata, messages, how many of them have expired, the moment when
-- the first of these did (0 for none), how many are on their way to another queue, 1 where its sets agree in their sizes; nil where it
-- is gone.
local now = tonumber(ARGV[1])
local inc = call('HGET', QUEUE, 'inc')
if not inc then
  return false
end
open(inc)
local all, held, later = call('ZCARD', ALL), call('ZCARD', HELD), call('ZCARD', LATER)
local agree = all == call('HLEN', BODY) and all == call('ZCARD', FREE) + later + held
agree = agree and call('ZCARD', ENDS) == all - held and call('ZCARD', DELAYED) == later
local first = call('ZRANGEBYSCORE', ENDS, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)[2]
return {
  call('HEXISTS', QUEUE, 'meta'), all, call('ZCOUNT', ENDS, '-inf', now), tonumber(first or 0), call('HLEN', OUT), agree and 1 or 0,
}
