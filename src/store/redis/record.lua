-- Stands before every script of a record, which is a hash. Its own fields have one letter, the application's begin with a
-- dot:
--   v  format version          g  generation              b  born, ms
--   r  generation raised, ms   i  idle limit, ms          o  1 if that is the session's own
--   e  absolute end, ms        u  user                    n  "fields bytes" of the application's data
--   a  addresses it was seen with lately, the latest first, one a line    h  user agents, likewise
--   d  what is noted of these: "at changes-of-address changes-of-agent returns id:news", at in ms, id of the write that
--      noted it last, and what was new to it: "a", "h", "ah" or nothing
--   m  its place in its user's roster: the serial, and "?" until somebody came with the log-in's cookie
--   l  the latest writes: see writes.lua
--   w  the latest writes of instances of an earlier version, as text that ends in "ms:result;"
-- A tombstone is a hash with t (when, ms), w (the id of the write that made it), and, of a session that others ended, y (why)
-- and g, its generation.

local VERSION = 1
local GENERATION_MOST = 4294967295
-- Beyond these a number is no limit that we wrote, and PEXPIRE might refuse it in the middle of a write.
local IDLE_MOST, ENDING_MOST = 1e13, 1e15

-- The fields of the record that decide, or nil and what to answer in its stead. Third, of a tombstone, the write that made
-- it; of a record, the value of one more field.
local function record(field)
  local f = redis.call('HMGET', key, 'v', 'g', 'i', 'o', 'e', 'u', 'n', 'l', 'w', 't', field or 't')
  if f[10] then
    return nil, 'tombstone', f[9]
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
    size = f[7], writes = f[8], earlier = f[9],
  }, nil, f[11]
end

-- How long the session may live from now if it is not used again.
local function span(idle, ending)
  if ending > 0 then
    return math.min(idle, ending - now)
  end
  return idle
end
