-- Delete one message: now, incarnation and place that its id has, the claim (its id, empty for none)
-- -> 0 it is gone, or was not there; 1 there is no such claim; 2 the message is under no claim; 3 it is under one; 4 under another
-- one
local now, inc, place, claim = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
open(inc)
local score = call('ZSCORE', HELD, place)
if not score and not call('ZSCORE', ALL, place) then
  -- It may have come from elsewhere, or been there and come back.
  local id = inc .. place
  inc = call('HGET', QUEUE, 'inc')
  if not inc then
    return 0
  end
  open(inc)
  local moved = call('HGET', MOVED, id)
  if not moved then
    return 0
  end
  place = string.sub(moved, 1, DIGITS)
  score = call('ZSCORE', HELD, place)
  if not score and not call('ZSCORE', ALL, place) then
    return 0
  end
end

local function is_known()
  return string.sub(claim, 1, 16) == inc and is_live(call('HGET', CLAIMS, 'c' .. string.sub(claim, 17)), now)
end

if is_live(score, now) then
  if claim == '' then
    return 3
  end
  if claim ~= inc .. (claim_of(score) or '') then
    return is_known() and 4 or 1
  end
  call('ZREM', HELD, place)
  drop({place})
  forget_empty({[score] = true})
  return 0
end

local expires
if score then
  local _
  _, _, expires = struct.unpack(LIFE, held_states({place})[1])
else
  expires = tonumber(call('ZSCORE', ENDS, place))
end
if expires > now then
  if claim ~= '' then
    return is_known() and 2 or 1
  end
  if score then
    call('ZREM', HELD, place)
    forget_empty({[score] = true})
  end
  remove({place})
end
return 0
