-- Makes a record. Refuses a key that has a record or a tombstone.
-- id; in one text generation, idle, absolute (0: none), whether it is noted what the session is seen with (0 or 1); fields and
-- bytes of the application's data; then field and value in turn of what else is there from the beginning

local id = argument()
local generation, idle, absolute, seen = string.match(argument(), '^(%d+) (%d+) (%d+) ([01])$')
local size = argument()

if redis.call('EXISTS', key) == 1 then
  local existing = record()
  if existing and recognised(existing.writes, id) then
    return answer('done', tonumber(generation), existing.ending)
  end
  return answer('exists')
end

local moment, ending, life = integer(now), 0, idle
local sets = {'v', VERSION, 'g', generation, 'i', idle, 'n', size, 'b', moment, 'l', remember(nil, id, '')}
local function put(field, value)
  local last = #sets
  sets[last + 1], sets[last + 2] = field, value
end
if absolute ~= '0' then
  ending = now + absolute
  life = integer(span(tonumber(idle), ending))
  put('e', integer(ending))
end
if seen == '1' then
  put('d', moment .. ' 0 0 0 :')
end
for from = position + 1, #ARGV, 2 do
  put(ARGV[from], ARGV[from + 1])
end

-- HSET before PEXPIRE: when memory is full the first is refused, and nothing is written.
set_fields(sets, 1)
redis.call('PEXPIRE', key, life)
return {'done', now, tonumber(generation), ending}
