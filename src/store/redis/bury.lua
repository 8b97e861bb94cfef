-- Leaves a tombstone where no session lives: its cookie was replaced by a log-in. On a record of a higher generation
-- it notes the time instead, which makes requests under the old cookie stale.
-- id, generation

local id, generation = argument(), number()
local old, instead = record()
if instead == 'missing' or instead == 'tombstone' then
  bury(id)
  return {'done', now, 0, 0}
end
if not old then
  return answer(instead)
end
if generation >= old.generation then
  return answer('done', old.generation, old.ending)
end
redis.call('HSET', key, 'r', integer(now))
return {'done', now, old.generation, old.ending}
