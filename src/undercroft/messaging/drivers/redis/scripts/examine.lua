-- What is to be said of a queue at once: the moment -> 1 where it has metadata, messages, how many of them have expired, the
-- moment when the first of these did (0 for none), how many are on their way to another queue, 1 where its sets agree in their
-- sizes; nil where it is gone.
local now = tonumber(ARGV[1])
local inc = call('HGET', QUEUE, 'inc')
if not inc then
  return false
end
open(inc)
local all, held, later = call('ZCARD', ALL), call('ZCARD', HELD), call('ZCARD', LATER)
local expired = call('ZCOUNT', ENDS, '-inf', now)
-- Some that have expired may be waiting for their removal.
local removable = all - call('ZCARD', FREE) - later - held
local agree = all == call('HLEN', BODY) and removable >= 0 and removable <= expired
agree = agree and call('ZCARD', ENDS) == all - held and call('ZCARD', DELAYED) == later
local first = call('ZRANGEBYSCORE', ENDS, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)[2]
return {
  call('HEXISTS', QUEUE, 'meta'), all, expired, tonumber(first or 0), call('HLEN', OUT), agree and 1 or 0,
}
