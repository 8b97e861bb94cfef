-- Asks for a place.
-- handle, cap ('', 'evict', 'refuse'), most, number of those found gone, handle and serial of each

local handle, cap, most = argument(), argument(), number()
remove_listed()

local before = member(handle)
local is_in = before and before.confirmed
local rivals = {}
if cap ~= '' and not is_in then
  local confirmed, reserved = others(handle)
  if cap == 'refuse' and #confirmed + reserved >= most then
    return answer('full', told(confirmed))
  end
  if cap == 'evict' and #confirmed >= most then
    rivals = confirmed
  end
end

local passed = {}
if now - looked >= PASSED_EVERY then
  for _, m in ipairs(members('')) do
    if m.deadline <= now and #passed < PASSED_MOST then
      passed[#passed + 1] = m
    end
  end
  -- Where there may be more, the next log-in looks again: of a user who logs in all the time none is left over.
  if #passed < PASSED_MOST then
    looked = now
  end
end
local serial = next_tick()
if is_in then
  before.serial = serial
  put(handle, before)
else
  put(handle, {confirmed = false, place = serial, serial = serial, deadline = now + PENDING, seen = now})
end
return {'reserved', now, serial, told(rivals), told(passed)}
