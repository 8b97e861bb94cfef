-- Notes the place of the session in its roster, if its generation is still this one.
-- generation, membership

local generation, membership = number(), argument()
local old, instead = record()
if not old then
  return answer(instead)
end
if generation ~= old.generation then
  return answer('superseded')
end
redis.call('HSET', key, 'm', membership)
return {'done', now, old.generation, old.ending}
