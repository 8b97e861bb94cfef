-- Ends a session, leaving a tombstone. The same destroy once more is recognised by the tombstone's write id.
-- id, generation

local id, generation = argument(), number()
local old, instead, by = record()
if instead == 'tombstone' and by == id then
  return answer('done', generation, 0)
end
if not old then
  return answer(instead)
end
if generation < old.generation then
  return answer('superseded')
end
bury(id)
return {'done', now, generation, 0}
