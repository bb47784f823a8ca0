-- The moment when a claim or a delay ends next; false for none.
local function coming(now)
  local held = call('ZRANGEBYSCORE', HELD, text((now + 1) * 256), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local delayed = call('ZRANGEBYSCORE', DELAYED, '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local first = held[2] and math.floor(tonumber(held[2]) / 256)
  local second = tonumber(delayed[2])
  return first and second and math.min(first, second) or first or second or false
end
