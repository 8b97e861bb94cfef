-- Begins a new epoch, and lists all members but one.
-- id, who stays ('': nobody), its serial, how long that session lives

local id, keep, serial, life = argument(), argument(), number(), number()
local stays = keep ~= '' and member(keep)
if by ~= id and keep ~= '' and math.max(serial, stays and stays.serial or 0) < epoch then
  return answer('outdated', epoch)
end
although_full()
if by ~= id then
  by, epoch = id, next_tick()
  if keep == '' then
    redis.call('HSET', key, 'r',
      VERSION .. ' ' .. integer(tick) .. ' ' .. integer(epoch) .. ' ' .. integer(looked) .. ' ' .. by)
    live_until(0)
  else
    local entered, deadline = next_tick(), now + life + MARGIN
    local m = stays or {place = entered, deadline = deadline, seen = now}
    m.confirmed, m.serial, m.deadline = true, entered, math.max(deadline, m.deadline)
    put(keep, m)
  end
end
return answer('members', epoch, told(members(keep)))
