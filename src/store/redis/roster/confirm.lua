-- Takes a reserved place.
-- handle, serial, life, cap ('', 'evict', 'refuse'), most, number of those found gone or ended, handle and serial of each

local handle, serial, life, cap, most = argument(), number(), number(), argument(), number()
remove_listed()

if serial < epoch then
  return answer('outdated', epoch)
end
local m = member(handle)
if not m then
  return answer(tick < serial and 'lost' or 'missing')
end
local deadline = now + life + MARGIN
if m.confirmed then
  deadline = math.max(deadline, m.deadline)
elseif cap ~= '' then
  local confirmed, reserved = others(handle)
  if cap == 'evict' then
    local later = 0
    for _, other in ipairs(confirmed) do
      if other.place > m.place then
        later = later + 1
      end
    end
    if later >= most then
      return answer('overtaken')
    end
    if #confirmed >= most then
      return answer('over', told(confirmed))
    end
  -- A place that is reserved still counts, and so is there.
  elseif m.deadline <= now and #confirmed + reserved >= most then
    return answer('full', told(confirmed))
  end
end
m.confirmed, m.deadline, m.seen = true, deadline, math.max(now, m.seen)
put(handle, m)
return {'confirmed', now}
