-- Ends a session on behalf of its user, whatever its generation, and says why. The same end once more is recognised by
-- the tombstone's write id.
-- id, user, before (0: any; else only if it came into its roster before this tick, or was born before it), reason

-- The id of an end that nobody counts, as base64url of zeros.
local UNCLAIMED = 'AAAAAAAAAAA'

local id, user, before, reason = argument(), argument(), number(), argument()
local old, instead, by = record()
if instead == 'tombstone' then
  -- An older version notes no generation.
  local generation = tonumber(redis.call('HGET', key, 'g') or 0)
  if by == id then
    return answer('done', generation, 0)
  end
  -- It ended by itself when it found the end of all, before that got here, and is to be counted once.
  if reason == 'everywhere' and by == UNCLAIMED and redis.call('HGET', key, 'y') == reason then
    redis.call('HSET', key, 'w', id)
    return {'done', now, generation, 0}
  end
end
if not old then
  return answer(instead)
end
if old.user ~= user then
  return answer('missing')
end
if before > 0 then
  local f = redis.call('HMGET', key, 'm', 'b')
  local serial = tonumber(f[1] and string.match(f[1], '^%d+') or f[2])
  if serial and serial >= before then
    return answer('superseded')
  end
end
bury(id, reason, old.generation)
return {'done', now, old.generation, 0}
