-- Stands before every script. KEYS[1] is the session's key; the first argument is the store's time, in milliseconds,
-- after which this attempt must not run: whoever sent it has given it up.
--
-- A record is a hash. Its own fields have one letter, the application's begin with a dot:
--   v  format version          g  generation              b  born, ms
--   r  generation raised, ms   i  idle limit, ms          o  1 if that is the session's own
--   e  absolute end, ms        u  user                    n  "fields bytes" of the application's data
--   a  addresses it was seen with lately, the latest first, one a line    h  user agents, likewise
--   d  what is noted of these: "at changes-of-address changes-of-agent returns id:news", at in ms, id of the write that
--      noted it last, and what was new to it: "a", "h", "ah" or nothing
--   m  its place in its user's roster: the serial, and "?" until somebody came with the log-in's cookie
--   w  the latest writes: two digits of their number, then 11 characters of id, ms, ":", result, ";" each, oldest first
-- A tombstone is a hash with t (when, ms), w (the id of the write that made it), and y (why) of a session that others ended.

local VERSION = 1
local GRACE = 60000        -- a tombstone's life
local RECOGNISED = 5000    -- a write is recognised for this long
local RECOGNISED_MOST = 64 -- and among this many
local GENERATION_MOST = 4294967295
-- Beyond these a number is no limit that we wrote, and PEXPIRE might refuse it in the middle of a write.
local IDLE_MOST, ENDING_MOST = 1e13, 1e15

local key = KEYS[1]
local position = 0
local function argument()
  position = position + 1
  return ARGV[position]
end
local function number()
  return tonumber(argument())
end

-- Lua writes large numbers with an exponent, which Redis would not take for integers.
local function integer(value)
  return string.format('%.0f', value)
end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if now > number() then
  return {'late', now}
end

-- An answer that writes nothing. A node that was demoted would give it from an old copy without a complaint; it refuses
-- this removal like any other write. No record has such a field.
local function answer(word, ...)
  redis.call('HDEL', key, '')
  return {word, now, ...}
end

-- The fields of the record that decide, or nil and what to answer in its stead.
local function record()
  local f = redis.call('HMGET', key, 'v', 'g', 'i', 'o', 'e', 'u', 'n', 'w', 't')
  if f[9] then
    return nil, 'tombstone', f[8]
  end
  if not f[1] then
    return nil, redis.call('EXISTS', key) == 1 and 'corrupt' or 'missing'
  end
  local version, generation, idle = tonumber(f[1]), tonumber(f[2]), tonumber(f[3])
  local ending = tonumber(f[5] or 0)
  if not (version and generation and idle and ending) then
    return nil, 'corrupt'
  end
  if version > VERSION then
    return nil, 'newer'
  end
  if generation > GENERATION_MOST or idle > IDLE_MOST or ending > ENDING_MOST then
    return nil, 'corrupt'
  end
  return {
    generation = generation, idle = idle, own = f[4], ending = ending, user = f[6],
    size = f[7], writes = f[8],
  }
end

-- How long the session may live from now if it is not used again.
local function span(idle, ending)
  if ending > 0 then
    return math.min(idle, ending - now)
  end
  return idle
end

-- The result of a write that was done before, or nil.
local function recognised(writes, id)
  local at = writes and string.find(writes, id, 1, true)
  return at and string.match(writes, '^%d+:([^;]*);', at + #id)
end

-- How many writes are remembered. The number is kept with them: to count them each time would be most of the work.
local function remembered(writes)
  return writes and tonumber(string.sub(writes, 1, 2)) or 0
end

-- The latest writes with this one, without those that are too old or too many.
local function remember(writes, id, result)
  local count, from = remembered(writes) + 1, 3
  while count > 1 do
    local at, after = string.match(writes, '^...........(%d+):[^;]*;()', from)
    if not at then
      -- Not as we write it: it begins anew.
      count = 1
    elseif count <= RECOGNISED_MOST and now - at <= RECOGNISED then
      break
    else
      from, count = after, count - 1
    end
  end
  local kept = count > 1 and string.sub(writes, from) or ''
  return string.format('%02d', count) .. kept .. id .. integer(now) .. ':' .. result .. ';'
end

-- Whether a write first sent at this time may have been done and forgotten since.
local function forgotten(writes, sent)
  if sent == 0 then
    return false
  end
  local full = remembered(writes) >= RECOGNISED_MOST
  local oldest = full and tonumber(string.match(writes, '^...........(%d+):', 3))
  return sent < now - RECOGNISED or (oldest and sent <= oldest)
end

-- Many fields in a few commands: Lua cannot pass more than some thousand arguments at once.
local MOST = 1000
local function set_fields(pairs_in_turn)
  for from = 1, #pairs_in_turn, MOST do
    redis.call('HSET', key, unpack(pairs_in_turn, from, math.min(from + MOST - 1, #pairs_in_turn)))
  end
end
local function remove_fields(fields)
  for from = 1, #fields, MOST do
    redis.call('HDEL', key, unpack(fields, from, math.min(from + MOST - 1, #fields)))
  end
end

-- Ends the record; what stands in its place says so for a while: why, for as long as the session could have lived.
-- DEL first: it is allowed when memory is full.
local function bury(id, reason)
  local left = reason and math.max(redis.call('PTTL', key), GRACE) or GRACE
  redis.call('DEL', key)
  redis.call('HSET', key, 't', integer(now), 'w', id)
  if reason then
    redis.call('HSET', key, 'y', reason)
  end
  redis.call('PEXPIRE', key, integer(left))
end
