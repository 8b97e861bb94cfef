-- Stands before every script of a roster, which is a hash. Field r is "version tick epoch looked write": the last tick, the
-- tick that began the epoch (0: none), when members whose deadline has passed were looked for, and what began the epoch.
-- Each member is a field under its handle, 22 characters: "state place serial deadline seen", where the state is p
-- (reserved) or c (confirmed).

local VERSION = 1
local PENDING = 30000          -- a reserved place counts for this long
local MARGIN = 60000           -- a deadline is later than the record's by this
local EPOCH_KEPT = 34560000000 -- 400 days: no browser keeps a cookie from before it for longer
local PASSED_MOST, PASSED_EVERY = 32, 60000
-- Beyond it a time is none that we wrote, and PEXPIRE might refuse it in the middle of an act.
local TIME_MOST = 1e15

local tick, epoch, looked, by = 0, 0, 0, ''
local state = redis.call('HGET', key, 'r')
if state then
  local version, t, e, l, b = string.match(state, '^(%d+) (%d+) (%d+) (%d+) (.*)$')
  if not version then
    return answer('corrupt')
  end
  if tonumber(version) > VERSION then
    return answer('newer')
  end
  tick, epoch, looked, by = tonumber(t), tonumber(e), tonumber(l), b
  if tick > TIME_MOST or epoch > TIME_MOST then
    return answer('corrupt')
  end
end

-- The store's time, or one more than the last tick.
local function next_tick()
  tick = math.max(tick + 1, now)
  return tick
end

local function parse(text)
  local how, place, serial, deadline, seen = string.match(text, '^([pc]) (%d+) (%d+) (%d+) (%d+)$')
  if not how then
    return nil
  end
  return {
    text = text, confirmed = how == 'c', place = tonumber(place), serial = tonumber(serial),
    deadline = math.min(tonumber(deadline), TIME_MOST), seen = tonumber(seen),
  }
end

local function member(handle)
  local text = redis.call('HGET', key, handle)
  return text and parse(text)
end

-- All members but one.
local function members(without)
  local found, all = {}, redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if #all[i] == 22 and all[i] ~= without then
      local m = parse(all[i + 1])
      if m then
        m.handle = all[i]
        found[#found + 1] = m
      end
    end
  end
  return found
end

-- Those that are confirmed, oldest first; and how many reserved places count.
local function others(without)
  local confirmed, reserved = {}, 0
  for _, m in ipairs(members(without)) do
    if m.confirmed then
      confirmed[#confirmed + 1] = m
    elseif m.deadline > now then
      reserved = reserved + 1
    end
  end
  table.sort(confirmed, function(a, b)
    return a.place < b.place or (a.place == b.place and a.handle < b.handle)
  end)
  return confirmed, reserved
end

-- As they travel: handle and text in turn.
local function told(list)
  local reply = {}
  for _, m in ipairs(list) do
    reply[#reply + 1] = m.handle
    reply[#reply + 1] = m.text
  end
  return reply
end

-- The roster lives until then at least.
local function live_until(moment)
  local left = math.max(moment, epoch > 0 and epoch + EPOCH_KEPT or 0) - now
  if redis.call('PTTL', key) < left then
    redis.call('PEXPIRE', key, integer(math.max(left, 1)))
  end
end

local function put(handle, m)
  redis.call('HSET', key,
    'r', VERSION .. ' ' .. integer(tick) .. ' ' .. integer(epoch) .. ' ' .. integer(looked) .. ' ' .. by,
    handle, (m.confirmed and 'c ' or 'p ') .. integer(m.place) .. ' ' .. integer(m.serial) .. ' ' ..
      integer(m.deadline) .. ' ' .. integer(m.seen))
  live_until(m.deadline)
end

-- Redis refuses the first write of a script when memory is full, but not the ones after it. This one it never refuses.
local function although_full()
  redis.call('HDEL', key, '')
end

-- Removes one who has not come in anew since.
local function remove(handle, serial)
  local m = member(handle)
  if m and m.serial <= serial then
    redis.call('HDEL', key, handle)
  end
end

-- The rest of the arguments: handle and serial in turn.
local function remove_listed()
  for _ = 1, number() do
    local handle, serial = argument(), number()
    remove(handle, serial)
  end
end
