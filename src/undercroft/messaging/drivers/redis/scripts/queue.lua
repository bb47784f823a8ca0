-- A queue's keys, and what scripts about its messages begin with.
--
-- KEYS[1] is the base of all names, with the hash tag of the queue's slot. A life of a queue has an incarnation, INC, so that keys
-- which an id leads to are never those of another life. A place, and the number of a claim, is 13 hexadecimal digits.
--
-- :queue           hash: inc, place (the last one given, as a number), claims (the last one's number), project, name, meta (JSON),
--                  listed (the incarnation that the register has), dead_most, dead_queue, dead_ttl, out (there is something in :out)
-- :INC:body        hash: place -> moment of the post (8 bytes), ttl (4), length of the client's name (2), that name, body. Before the
--                  name is the id of a message that came from elsewhere: with 0x8000 in the length the 29 digits that another queue
--                  gave it, with 0x4000 the length (2) and the text that another store gave it
-- :INC:all         sorted set of all places. Each of them is in one more of these:
-- :INC:free        sorted set of places that may be claimed
-- :INC:later       sorted set of places with a delay; :INC:delayed has them by the moment when it is over
-- :INC:held        sorted set of places under a claim, by the claim's score: the moment when it ends * 256 + 0 to 255, which no
--                  other claim of the queue has at the time
-- :INC:ends        sorted set of places by the moment when they expire, but those under a claim: that prolongs their lives. Who has
--                  expired, and is in the way, is only here and in :INC:all, until its turn to be removed comes
-- :INC:state       hash: place -> claims (4 bytes), ttl (8), moment when it expires (8), of what was claimed; but while a first claim
--                  lasts that did not prolong its life: most messages are deleted then, and it need never be written
-- :INC:claims      hash: score -> number (13 digits), ':', ttl; 'c' and number -> score
-- :INC:dedup       hash: key -> place, moment when it is forgotten; :INC:dedup_ends has the keys by that moment
-- :INC:moved       hash: id -> place, how often it has moved, of messages from elsewhere; :INC:moved_ends has the ids by the moment
--                  when they are forgotten
-- :INC:out         hash: place -> what is on its way to another queue; see move.lua
-- :receipt:KEY     string: what a post was answered
-- :subs            subscriptions, see subscriptions.lua; :outbox what is to be sent to them, see entries.lua
-- :waits           string: the channel on which those are told who wait for messages; it goes by itself soon after the last did

local call, base = redis.call, KEYS[1]
local QUEUE = base .. ':queue'
local BODY, ALL, FREE, LATER, DELAYED, HELD, ENDS, STATE, CLAIMS, DEDUP, DEDUP_ENDS, MOVED, MOVED_ENDS, OUT
-- Arguments of one command at most: Lua's stack is limited.
local PART = 1000
-- Messages of each sort that a script lets happen, so that others need not wait for it; and expired ones that it passes over.
local AT_ONCE, PASSED = 250, 3000
local HEAD, LIFE, LENGTH = '<I8I4H', '<I4I8I8', '<H'
local DIGITS, ID = 13, 29
-- What the length of a client's name has beside it where an id is before the name; the second one with a length of its own.
local FROM_QUEUE, FROM_STORE = 0x8000, 0x4000
-- Milliseconds for which the place of a message from another queue is known longer than it lives.
local REMEMBERED = 86400000

local function open(inc)
  local own = base .. ':' .. inc .. ':'
  BODY, ALL, FREE, LATER, DELAYED = own .. 'body', own .. 'all', own .. 'free', own .. 'later', own .. 'delayed'
  HELD, ENDS, STATE, CLAIMS = own .. 'held', own .. 'ends', own .. 'state', own .. 'claims'
  DEDUP, DEDUP_ENDS, MOVED, MOVED_ENDS, OUT = own .. 'dedup', own .. 'dedup_ends', own .. 'moved', own .. 'moved_ends', own .. 'out'
end

-- Open the queue: its incarnation (false for none), whether the register has that, the last place given. `made` says what is made
-- where there is none: incarnation, project, name and metadata, with U+0000 between; empty for nothing.
local function open_or_make(made)
  local inc, listed, last = unpack(call('HMGET', QUEUE, 'inc', 'listed', 'place'))
  if not inc and made ~= '' then
    local project, name, meta
    inc, project, name, meta = string.match(made, '^(%x+)%z(.-)%z(.-)%z(.*)$')
    call('HSET', QUEUE, 'inc', inc, 'project', project, 'name', name)
    if meta ~= '' then
      call('HSET', QUEUE, 'meta', meta)
    end
  end
  if inc then
    open(inc)
  end
  return inc, listed == inc and 1 or 0, last
end

-- Tell those who wait that there are `count` messages more, or, with 0, that there is something else to wait for.
local function tell(count)
  local channel = call('GET', base .. ':waits')
  if channel then
    -- A user who may not publish stores all the same; those who wait find it later.
    redis.pcall('PUBLISH', channel, base .. ' ' .. count)
  end
end

-- A command that changes something, with however many arguments.
local function spread(command, key, list)
  local count = #list
  if count > 0 and count <= PART then
    return call(command, key, unpack(list))
  end
  local done = 0
  for first = 1, count, PART do
    done = done + call(command, key, unpack(list, first, math.min(first + PART - 1, count)))
  end
  return done
end

-- A command that gives something for each of its arguments.
local function gather(command, key, list)
  local count = #list
  if count == 0 then
    return {}
  end
  if count <= PART then
    return call(command, key, unpack(list))
  end
  local found = {}
  for first = 1, count, PART do
    local last = math.min(first + PART - 1, count)
    local part = call(command, key, unpack(list, first, last))
    for place = first, last do
      found[place] = part[place - first + 1]
    end
  end
  return found
end

-- Lua writes large numbers with an exponent.
local function text(number)
  return string.format('%.0f', number)
end

local function digits(number)
  return string.format('%013x', number)
end

-- The number behind the last one that was given out. It is not below the moment, so that a server that has lost what it gave out
-- last, in a power cut or when a replica took over, does not give it out again: ids stay unique, and markers lead on.
local function first_number(last, now)
  return math.max(tonumber(last or 0) + 1, now * 512)
end

-- Give out `count` numbers, of which `field` has the last one: the first.
local function new_numbers(field, last, count, now)
  local first = first_number(last, now)
  call('HSET', QUEUE, field, text(first + count - 1))
  return first
end

-- Whether a claim of this score is not over.
local function is_live(score, now)
  return score and tonumber(score) >= (now + 1) * 256
end

-- The number of the claim of a score; nil where it is forgotten.
local function claim_of(score)
  local kept = call('HGET', CLAIMS, text(score))
  return kept and string.sub(kept, 1, DIGITS)
end

-- A score for a claim that ends at a moment, which no claim has; a later moment only where that has 256 of them.
local function new_score(ends, number)
  local start = tonumber(number, 16)
  for moment = ends, ends + 1000 do
    for index = start, start + 255 do
      local score = moment * 256 + index % 256
      if call('HEXISTS', CLAIMS, text(score)) == 0 then
        return score
      end
    end
  end
  error('too many claims that end at one moment')
end

local function keep_claim(score, number, ttl)
  call('HSET', CLAIMS, text(score), number .. ':' .. ttl, 'c' .. number, text(score))
end

local function forget_claim(score)
  local number = claim_of(score)
  if number then
    call('HDEL', CLAIMS, text(score), 'c' .. number)
  end
end

-- Claims all of whose messages are gone are over; `scores` are those that lost some.
local function forget_empty(scores)
  for score in pairs(scores) do
    if call('ZCOUNT', HELD, score, score) == 0 then
      forget_claim(score)
    end
  end
end

-- What is left of messages that are in no other set any more.
local function drop(places)
  if #places > 0 then
    spread('ZREM', ALL, places)
    spread('HDEL', BODY, places)
    -- In many queues no message has one.
    if call('EXISTS', STATE) == 1 then
      spread('HDEL', STATE, places)
    end
  end
end

-- Remove messages that are under no claim.
local function remove(places)
  if #places > 0 then
    if spread('ZREM', FREE, places) < #places then
      spread('ZREM', LATER, places)
      spread('ZREM', DELAYED, places)
    end
    spread('ZREM', ENDS, places)
    drop(places)
  end
end

-- The id that a message brought from elsewhere (nil for none), where its client's name begins in the value, length of that name.
local function origin(body)
  local _, _, length, first = struct.unpack(HEAD, body)
  if length >= FROM_QUEUE then
    return string.sub(body, first, first + ID - 1), first + ID, length - FROM_QUEUE
  elseif length >= FROM_STORE then
    local long
    long, first = struct.unpack(LENGTH, body, first)
    return string.sub(body, first, first + long - 1), first + long, length - FROM_STORE
  end
  return nil, first, length
end

-- Claims, ttl and moment of expiry of a message.
local function life_of(body, state)
  if state then
    return struct.unpack(LIFE, state)
  end
  local born, ttl = struct.unpack(HEAD, body)
  return 0, ttl, born + ttl * 1000
end

-- The states of messages under claims, and by their numbers in the list those that are not written.
local function held_states(places)
  local states, missing, at = gather('HMGET', STATE, places), {}, {}
  for index, place in ipairs(places) do
    if not states[index] then
      missing[#missing + 1] = place
      at[#missing] = index
    end
  end
  local unwritten = {}
  for number, body in ipairs(gather('HMGET', BODY, missing)) do
    local born, ttl = struct.unpack(HEAD, body)
    states[at[number]] = struct.pack(LIFE, 1, ttl, born + ttl * 1000)
    unwritten[at[number]] = true
  end
  return states, unwritten
end

-- What is given of messages, one after the other: place, body, state, number of the live claim. Those that are not there are left
-- out.
local function shown(places, now)
  local bodies, states, scores = gather('HMGET', BODY, places), gather('HMGET', STATE, places), gather('ZMSCORE', HELD, places)
  local found, claims = {}, {}
  for index, place in ipairs(places) do
    if bodies[index] then
      local score, state, claim = scores[index], states[index], false
      if score and not state then
        local born, ttl = struct.unpack(HEAD, bodies[index])
        state = struct.pack(LIFE, 1, ttl, born + ttl * 1000)
      end
      if is_live(score, now) then
        claim = claims[score]
        if claim == nil then
          claim = claim_of(score) or false
          claims[score] = claim
        end
      end
      local last = #found
      found[last + 1], found[last + 2], found[last + 3], found[last + 4] = place, bodies[index], state, claim
    end
  end
  return found
end

-- Messages of each sort that happen on the way, where the script has something else to do.
local ON_THE_WAY = 100

local function add_free(places)
  local pairs_of = {}
  for index, place in ipairs(places) do
    pairs_of[index * 2 - 1], pairs_of[index * 2] = tonumber(place, 16), place
  end
  spread('ZADD', FREE, pairs_of)
end

-- Free messages whose claim is over; how many had expired, and are gone.
local function release(places, now)
  local states, unwritten = held_states(places)
  local back, ends, gone, written = {}, {}, {}, {}
  for index, place in ipairs(places) do
    local _, _, expires = struct.unpack(LIFE, states[index])
    if expires <= now then
      gone[#gone + 1] = place
    else
      back[#back + 1] = place
      ends[#ends + 1] = expires
      ends[#ends + 1] = place
      if unwritten[index] then
        written[#written + 1] = place
        written[#written + 1] = states[index]
      end
    end
  end
  spread('ZREM', HELD, places)
  spread('HSET', STATE, written)
  add_free(back)
  spread('ZADD', ENDS, ends)
  drop(gone)
  return #gone
end

-- Let happen what is due: claims that are over, delays that are over, lives that are over; at most AT_ONCE messages of each.
-- How many are gone, whether more may be due, and whether messages are among that which will be free then.
local function settle(now)
  local removed, late = 0, false
  local found = call('ZRANGEBYSCORE', HELD, '-inf', now * 256 + 255, 'WITHSCORES', 'LIMIT', 0, AT_ONCE)
  if #found > 0 then
    local places, last = {}, nil
    for index = 1, #found, 2 do
      places[#places + 1] = found[index]
      if found[index + 1] ~= last then
        last = found[index + 1]
        forget_claim(last)
      end
    end
    removed = release(places, now)
    late = #places == AT_ONCE
  end
  found = call('ZRANGEBYSCORE', DELAYED, '-inf', now, 'LIMIT', 0, AT_ONCE)
  if #found > 0 then
    spread('ZREM', DELAYED, found)
    spread('ZREM', LATER, found)
    add_free(found)
    late = late or #found == AT_ONCE
  end
  local more = late
  found = call('ZRANGEBYSCORE', ENDS, '-inf', now, 'LIMIT', 0, AT_ONCE)
  if #found > 0 then
    remove(found)
    removed = removed + #found
    more = more or #found == AT_ONCE
  end
  return removed, more, late
end

-- Open a queue and let what is due happen, for a script that needs that first: nil when it is done, false where there is no queue, 1
-- when more is due.
local function unready(inc, now)
  if not inc then
    return false
  end
  open(inc)
  local _, more = settle(now)
  return more and 1 or nil
end

-- Take the first messages out of those that are free: their places, and whether there may be some all the same when none is found.
-- `more` is what `settle` says: without it nothing has expired.
local function take(limit, now, more)
  local places = {}
  if not more then
    -- ZPOPMIN would give the scores, too, and to write these takes longer than a second command.
    places = call('ZRANGE', FREE, 0, limit - 1)
    if #places > 0 then
      call('ZREMRANGEBYRANK', FREE, 0, #places - 1)
    end
    return places, false
  end
  local passed = 0
  while #places < limit and passed < PASSED do
    local found = call('ZRANGE', FREE, 0, AT_ONCE - 1)
    local ends, used = gather('ZMSCORE', ENDS, found), 0
    for index, place in ipairs(found) do
      used = index
      if tonumber(ends[index]) > now then
        places[#places + 1] = place
        if #places == limit then
          break
        end
      else
        passed = passed + 1
      end
    end
    if used == 0 then
      break
    end
    call('ZREMRANGEBYRANK', FREE, 0, used - 1)
  end
  return places, #places == 0
end
