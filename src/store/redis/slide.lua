-- Sets the session's life to its idle limit, or what the absolute one leaves, when less than `within` is left.
-- generation, within

local generation, within = number(), number()
local old, instead = record()
if not old then
  return answer(instead)
end
if generation < old.generation then
  return answer('superseded')
end
local left, life = redis.call('PTTL', key), span(old.idle, old.ending)
-- PEXPIRE comes first: it is allowed when memory is full, and makes what follows allowed.
if left < within and life > left then
  redis.call('PEXPIRE', key, integer(life))
end
-- A higher generation can only come from us: a failover lost the write that raised it.
if generation > old.generation then
  redis.call('HSET', key, 'g', integer(generation), 'r', integer(now))
end
return {'done', now, math.max(generation, old.generation), old.ending}
