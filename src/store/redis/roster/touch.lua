-- Says that a session is in use. One that is not in comes in.
-- handle, serial, life

local handle, serial, life = argument(), number(), number()
local m = member(handle)
if m then
  serial = math.max(serial, m.serial)
end
if serial < epoch then
  return answer('outdated', epoch)
end
although_full()
tick = math.max(tick, serial)
local deadline = now + life + MARGIN
if not m then
  put(handle, {confirmed = true, place = serial, serial = serial, deadline = deadline, seen = now})
elseif m.confirmed then
  m.serial, m.deadline, m.seen = serial, math.max(deadline, m.deadline), math.max(now, m.seen)
  put(handle, m)
else
  -- A log-in is under way, and will say it itself.
  return answer('touched')
end
return {'touched', now}
