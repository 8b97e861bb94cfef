-- Makes a record. Refuses a key that has a record or a tombstone.
-- id, generation, idle, own (0 or 1), absolute (0: none), has user (0 or 1), user, membership ('': none),
-- address and agent that it is seen with ('': none), fields, bytes, then field and value in turn

local id, generation, idle, own, absolute = argument(), argument(), number(), argument(), number()
local has_user, user, membership = argument(), argument(), argument()
local address, agent, fields, bytes = argument(), argument(), argument(), argument()

local existing, instead = record()
if existing and recognised(existing.writes, id) then
  return answer('done', tonumber(generation), existing.ending)
end
if instead ~= 'missing' then
  return answer('exists')
end

local ending = absolute > 0 and now + absolute or 0
local sets = {'v', VERSION, 'g', generation, 'b', integer(now), 'i', integer(idle), 'n', fields .. ' ' .. bytes}
local function put(field, value)
  sets[#sets + 1] = field
  sets[#sets + 1] = value
end
put('w', remember(nil, id, ''))
if own == '1' then put('o', '1') end
if ending > 0 then put('e', integer(ending)) end
if has_user == '1' then put('u', user) end
if address ~= '' then put('a', address) end
if agent ~= '' then put('h', agent) end
if address ~= '' or agent ~= '' then put('d', integer(now) .. ' 0 0 0 :') end
if membership ~= '' then put('m', membership) end

for from = position + 1, #ARGV do
  sets[#sets + 1] = ARGV[from]
end

-- HSET before PEXPIRE: when memory is full the first is refused, and nothing is written.
set_fields(sets)
redis.call('PEXPIRE', key, integer(span(idle, ending)))
return {'done', now, tonumber(generation), ending}
