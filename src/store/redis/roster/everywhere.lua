-- Begins a new epoch, and lists all members but one.
-- id, who stays ('': nobody), how long that session lives

local id, keep, life = argument(), argument(), number()
although_full()
if by ~= id then
  by, epoch = id, next_tick()
  if keep == '' then
    redis.call('HSET', key, 'r',
      VERSION .. ' ' .. integer(tick) .. ' ' .. integer(epoch) .. ' ' .. integer(looked) .. ' ' .. by)
    live_until(0)
  else
    local serial, deadline = next_tick(), now + life + MARGIN
    local m = member(keep) or {place = serial, deadline = deadline, seen = now}
    m.confirmed, m.serial, m.deadline = true, serial, math.max(deadline, m.deadline)
    put(keep, m)
  end
end
return answer('members', epoch, told(members(keep)))
