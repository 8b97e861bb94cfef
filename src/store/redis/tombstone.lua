-- Stands before the scripts that end a session.

local GRACE = 60000 -- a tombstone's life

-- Ends the record; what stands in its place says so for a while: why, for as long as the session could have lived.
-- DEL first: it is allowed when memory is full.
local function bury(id, reason, generation)
  local left = reason and math.max(redis.call('PTTL', key), GRACE) or GRACE
  redis.call('DEL', key)
  redis.call('HSET', key, 't', integer(now), 'w', id)
  if reason then
    redis.call('HSET', key, 'y', reason, 'g', integer(generation))
  end
  redis.call('PEXPIRE', key, integer(left))
end
