/**
 * The algorithms of `../quota` as one script, so that one call to Redis decides for all replicas, by Redis' clock, and no two requests
 * see the same state. Times are whole microseconds. What it keeps expires by itself.
 *
 * KEYS: 1 the cell, 2 its grains (ROLLING_WINDOW), 3 the answer by deduplication id.
 * ARGV: 1 algorithm, 2 maxAmount, 3 window, 4 grain, 5 amount, 6 best effort (0 or 1), 7 ms for which the answer is remembered (0: not),
 *       8 the time ('' for Redis' own; tests give one), then of each share holder, from the top, its name and weight.
 * Answer: granted, microseconds that it stays valid, units used in this window (HITS), the time.
 */
export const quotaScript = `
local kind, limit, window, grain = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local amount, best, remember = tonumber(ARGV[5]), ARGV[6] == '1', tonumber(ARGV[7])
local cell, grains = KEYS[1], KEYS[2]
local max_nodes = 10000

local now = tonumber(ARGV[8])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function text(number) return string.format('%.0f', number) end
-- Times decide what counts; a second more lets Redis' own clock be coarse.
local function expire(key, span) redis.call('PEXPIRE', key, text(math.ceil(span / 1000) + 1000)) end

if remember > 0 then
  local known = redis.call('GET', KEYS[3])
  if known then
    local granted, valid, used, at = string.match(known, '^(%d+) (%d+) (%d+) (%d+)$')
    return {tonumber(granted), math.max(0, tonumber(valid) - (now - tonumber(at))), tonumber(used), now}
  end
end

local function portion(left)
  left = math.max(0, left)
  if amount <= left then return amount end
  return best and left or 0
end

local function fixed()
  local state = redis.call('HMGET', cell, 'u', 'e')
  local used, ends = tonumber(state[1] or 0), tonumber(state[2] or 0)
  if now >= ends or ends - now > window then
    used = 0
    ends = now + window
  end
  local granted
  if amount < 0 then
    granted = math.min(-amount, used)
    used = used - granted
  else
    granted = portion(limit - used)
    used = used + granted
  end
  redis.call('HSET', cell, 'u', text(used), 'e', text(ends))
  expire(cell, ends - now)
  return granted, ends - now, 0
end

local function hits()
  local ends = (math.floor(now / window) + 1) * window
  local state = redis.call('HMGET', cell, 'u', 'e')
  local used = tonumber(state[1] or 0)
  if tonumber(state[2] or 0) ~= ends then used = 0 end
  used = math.max(0, used + amount)
  redis.call('HSET', cell, 'u', text(used), 'e', text(ends))
  expire(cell, ends - now)
  return used <= limit and amount or 0, ends - now, used
end

-- Grains are 'last:amount', the oldest first; of the newest the cell holds when it began.
local function rolling()
  local state = redis.call('HMGET', cell, 'u', 'f')
  local used, from = tonumber(state[1] or 0), tonumber(state[2] or 0)
  local function split(entry)
    local last, taken = string.match(entry, '^(%d+):(%d+)$')
    return tonumber(last), tonumber(taken)
  end
  while true do
    local oldest = redis.call('LINDEX', grains, 0)
    if not oldest then break end
    local last, taken = split(oldest)
    if last + window > now then break end
    redis.call('LPOP', grains)
    used = used - taken
  end
  local granted
  if amount < 0 then
    local left = -amount
    while left > 0 do
      local newest = redis.call('LINDEX', grains, -1)
      if not newest then break end
      local last, taken = split(newest)
      local given = math.min(left, taken)
      left = left - given
      if given == taken then redis.call('RPOP', grains)
      else redis.call('LSET', grains, -1, text(last) .. ':' .. text(taken - given)) end
    end
    granted = -amount - left
    used = used - granted
    -- What is now the newest began at a time that nobody knows: nothing is added to it.
    from = 0
  else
    granted = portion(limit - used)
    if granted > 0 then
      local newest = redis.call('LINDEX', grains, -1)
      if newest and now - from < grain then
        local last, taken = split(newest)
        redis.call('LSET', grains, -1, text(math.max(last, now)) .. ':' .. text(taken + granted))
      else
        redis.call('RPUSH', grains, text(now) .. ':' .. text(granted))
        from = now
      end
      used = used + granted
    end
  end
  redis.call('HSET', cell, 'u', text(used), 'f', text(from))
  expire(cell, window)
  expire(grains, window)
  return granted, window, 0
end

-- Fields of the cell: 'e' end of the window, 'n' nodes; of each node 'a' asked, 'w' weight unless 1, 'p' pool, 't' taken.
local function fair_share()
  local function start(ends)
    local asked, weights, children = {}, {}, {}
    if ends and now - ends < window then
      local fields = redis.call('HGETALL', cell)
      for i = 1, #fields, 2 do
        local form, node = string.sub(fields[i], 1, 2), string.sub(fields[i], 3)
        if form == 'a:' then
          asked[node] = tonumber(fields[i + 1])
          local parent = string.match(node, '^(.*)/[^/]*$') or ''
          children[parent] = children[parent] or {}
          table.insert(children[parent], node)
        elseif form == 'w:' then weights[node] = tonumber(fields[i + 1]) end
      end
    end
    redis.call('DEL', cell)
    local pools = {}
    local function divide(node, share)
      local claims, weight_left = children[node] or {}, 0
      table.sort(claims, function(a, b)
        local x, y = asked[a] * (weights[b] or 1), asked[b] * (weights[a] or 1)
        if x ~= y then return x < y end
        return a < b
      end)
      for _, claim in ipairs(claims) do weight_left = weight_left + (weights[claim] or 1) end
      for _, claim in ipairs(claims) do
        local weight = weights[claim] or 1
        local part = math.min(asked[claim], math.floor(share * weight / weight_left))
        share = share - part
        weight_left = weight_left - weight
        divide(claim, part)
      end
      if share > 0 then
        table.insert(pools, 'p:' .. node)
        table.insert(pools, text(share))
      end
    end
    divide('', limit)
    for i = 1, #pools, 500 do redis.call('HSET', cell, unpack(pools, i, math.min(i + 499, #pools))) end
    redis.call('HSET', cell, 'e', text(now + window))
    return now + window
  end

  local ends = tonumber(redis.call('HGET', cell, 'e') or nil)
  if not ends or now >= ends or ends - now > window then ends = start(ends) end
  expire(cell, ends - now + window)
  local path, nodes = '', {''}
  for i = 9, #ARGV, 2 do
    path = path == '' and ARGV[i] or path .. '/' .. ARGV[i]
    table.insert(nodes, path)
  end
  if amount < 0 then
    local taken = tonumber(redis.call('HGET', cell, 't:' .. path) or 0)
    local given = math.min(-amount, taken)
    if given > 0 then
      redis.call('HINCRBY', cell, 't:' .. path, text(-given))
      redis.call('HINCRBY', cell, 'p:' .. path, text(given))
    end
    return given, 0, 0
  end
  for i = 2, #nodes do
    if redis.call('HEXISTS', cell, 'a:' .. nodes[i]) == 0 then
      if tonumber(redis.call('HGET', cell, 'n') or 0) >= max_nodes then break end
      redis.call('HINCRBY', cell, 'n', 1)
      local weight = ARGV[9 + (i - 2) * 2 + 1]
      if weight ~= '1' then redis.call('HSET', cell, 'w:' .. nodes[i], weight) end
    end
    redis.call('HINCRBY', cell, 'a:' .. nodes[i], text(amount))
  end
  local pools, left = {}, 0
  for i, node in ipairs(nodes) do
    pools[i] = tonumber(redis.call('HGET', cell, 'p:' .. node) or 0)
    left = left + pools[i]
  end
  local granted = portion(left)
  local missing = granted
  for i = #nodes, 1, -1 do
    local part = math.min(missing, pools[i])
    if part > 0 then redis.call('HINCRBY', cell, 'p:' .. nodes[i], text(-part)) end
    missing = missing - part
  end
  if granted > 0 then redis.call('HINCRBY', cell, 't:' .. path, text(granted)) end
  return granted, ends - now, 0
end

local run = {FIXED_WINDOW = fixed, ROLLING_WINDOW = rolling, FAIR_SHARE = fair_share, HITS = hits}
local granted, valid, used = run[kind]()
if kind ~= 'HITS' and (amount < 0 or granted == 0) then valid = 0 end
if remember > 0 then
  redis.call('SET', KEYS[3], text(granted) .. ' ' .. text(valid) .. ' ' .. text(used) .. ' ' .. text(now), 'PX', remember)
end
return {granted, valid, used, now}
`;
