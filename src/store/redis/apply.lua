-- Changes a record, whole or not at all: everything is checked before the first write.
-- id, first sent at (0: now for the first time), generation,
-- intent ('', 'rotate', 'login', 'login once': never again under a higher generation), user, idle, absolute (0: none), membership ('': none),
-- own life (0: none),
-- most fields, most bytes, clear (0 or 1), field to add to ('': none), by,
-- expectation ('', 'absent', 'text'), its field, its text,
-- number of sets, field and value each; of removals, field each; of takes, field and expected value each

local id, sent, generation = argument(), number(), number()
local intent, user, idle, absolute, membership = argument(), argument(), number(), number(), argument()
local life = number()
local most_fields, most_bytes, clear = number(), number(), argument() == '1'
local add_field, add_by = argument(), argument()
local expectation, expected_field, expected_text = argument(), argument(), argument()

local old, instead = record()
if not old then
  return answer(instead)
end
local result = recognised(old.writes, id)
if result then
  -- The generation that this write led to; what others did since is not its doing.
  local led = intent == '' and generation or generation + 1
  if intent ~= '' and intent ~= 'rotate' and old.user == user then
    led = old.generation
  end
  return answer('done', led, old.ending, result)
end
if forgotten(old.writes, sent) then
  return {'unknown', now}
end

-- A log-in of the user whose record it already is gets the current cookie again; the generation stays.
local login = intent == 'login' or intent == 'login once'
local same_user = login and old.user == user
local again = generation < old.generation
if again and not (same_user and intent == 'login') then
  return answer('superseded')
end
local raised = intent ~= '' and not again
local current = math.max(generation, old.generation) + (raised and 1 or 0)
if current > GENERATION_MOST then
  return answer('corrupt')
end
if expectation ~= '' then
  local actual = redis.call('HGET', key, expected_field)
  if actual ~= (expectation == 'text' and expected_text) then
    return answer('conflict', actual)
  end
end

-- The data of one user are not for the next.
local switched = login and old.user and not same_user
if switched then
  clear = true
end

-- Sizes before and after. They are kept in the record, and counted anew when they are not readable.
local fields, bytes = string.match(old.size or '', '^(%d+) (%d+)$')
fields, bytes = tonumber(fields), tonumber(bytes)
if not fields then
  fields, bytes = 0, 0
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) == '.' then
      fields, bytes = fields + 1, bytes + #all[i] - 1 + #all[i + 1]
    end
  end
end
local fields_before, bytes_before = fields, bytes
if clear then
  fields, bytes = 0, 0
end
local function resize(field, length)
  local before = clear and 0 or redis.call('HSTRLEN', key, field)
  if before > 0 then
    fields, bytes = fields - 1, bytes - (#field - 1) - before
  end
  if length > 0 then
    fields, bytes = fields + 1, bytes + (#field - 1) + length
  end
end

local sets, removals = {}, {}
for _ = 1, number() do
  local field, value = argument(), argument()
  sets[#sets + 1] = field
  sets[#sets + 1] = value
  resize(field, #value)
end
for _ = 1, number() do
  local field = argument()
  removals[#removals + 1] = field
  resize(field, 0)
end
for _ = 1, number() do
  local field, expected = argument(), argument()
  if redis.call('HGET', key, field) == expected then
    removals[#removals + 1] = field
    resize(field, 0)
  end
end
local sum_before
if add_field ~= '' then
  sum_before = redis.call('HGET', key, add_field)
  if not sum_before then
    fields, bytes = fields + 1, bytes + (#add_field - 1) + #add_by
  end
end
local function too_large()
  return (fields > most_fields and fields > fields_before) or (bytes > most_bytes and bytes > bytes_before)
end
-- How long a sum is shows only when it is there.
if not sum_before and too_large() then
  return answer('too_large')
end

-- From here on everything is written. The addition comes first: Redis itself refuses what is no integer in its one
-- canonical form, and what would overflow. The sum is read back as text: a Lua number would lose digits.
local sum = ''
if add_field ~= '' then
  local done = redis.pcall('HINCRBY', key, add_field, add_by)
  if type(done) == 'table' and done.err then
    if string.find(done.err, 'not an integer', 1, true) then
      return {'not_a_number', now}
    end
    if string.find(done.err, 'overflow', 1, true) then
      return {'overflow', now}
    end
    return done
  end
  sum = redis.call('HGET', key, add_field)
  if sum_before then
    bytes = bytes + #sum - #sum_before
    -- Nothing else is written yet, so this is all there is to undo.
    if too_large() then
      redis.call('HSET', key, add_field, sum_before)
      return {'too_large', now}
    end
  end
end

if clear then
  removals = {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 1) == '.' then
      removals[#removals + 1] = field
    end
  end
end
remove_fields(removals)
local function put(field, value)
  sets[#sets + 1] = field
  sets[#sets + 1] = value
end
put('n', integer(fields) .. ' ' .. integer(bytes))
put('w', remember(old.writes, id, sum))
local ending, relive = old.ending, false
if current ~= old.generation or again then
  put('g', integer(current))
  put('r', integer(now))
end
if membership ~= '' then
  local before = same_user and redis.call('HGET', key, 'm')
  local serial = before and tonumber(string.match(before, '^%d+'))
  -- A log-in that came in later may have been faster.
  if serial and serial > tonumber(string.match(membership, '^%d+')) then
    membership = before
  end
  -- The cookie that is issued again is one that somebody came with.
  if again and serial and not string.find(before, '?', 1, true) then
    membership = string.gsub(membership, '%?', '')
  end
  put('m', (membership))
end
local own_idle = old.idle
if raised and login then
  put('u', user)
  if switched or not old.own then own_idle = idle end
  ending = absolute > 0 and now + absolute or 0
  relive = true
end
if life > 0 then
  own_idle = life
  put('o', '1')
  relive = true
elseif switched and old.own then
  redis.call('HDEL', key, 'o')
end
if relive then
  put('i', integer(own_idle))
  if ending > 0 then
    put('e', integer(ending))
  elseif old.ending > 0 then
    redis.call('HDEL', key, 'e')
  end
end
set_fields(sets)
if relive then
  redis.call('PEXPIRE', key, integer(span(own_idle, ending)))
end
return {'done', now, current, ending, sum}
