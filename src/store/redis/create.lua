-- Makes a record. Refuses a key that has a record or a tombstone.
-- id; in one text generation, idle, absolute (0: none), whether it is noted what the session is seen with (0 or 1); then
-- field and value in turn of all that is there from the beginning and does not depend on the time

local id = argument()
local generation, idle, absolute, seen = string.match(argument(), '^(%d+) (%d+) (%d+) ([01])$')
generation = tonumber(generation)

if redis.call('EXISTS', key) == 1 then
  local existing = record()
  if existing and recognised(existing.writes, id) then
    return answer('done', generation, existing.ending)
  end
  return answer('exists')
end

local moment, ending = integer(now), 0
local sets = {'b', moment, 'l', remember(nil, id, '')}
if absolute ~= '0' then
  ending = now + absolute
  idle = integer(span(tonumber(idle), ending))
  sets[5], sets[6] = 'e', integer(ending)
end
if seen == '1' then
  sets[#sets + 1] = 'd'
  sets[#sets + 1] = moment .. ' 0 0 0 :'
end
for from = position + 1, #ARGV do
  sets[#sets + 1] = ARGV[from]
end

-- HSET before PEXPIRE: when memory is full the first is refused, and nothing is written.
set_fields(sets, 1)
redis.call('PEXPIRE', key, idle)
return {'done', now, generation, ending}
