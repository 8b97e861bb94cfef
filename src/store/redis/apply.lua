-- Changes a record, whole or not at all: everything is checked before the first write.
-- id; in one text generation, most fields, most bytes; then only what there is, each a word and what belongs to it:
--   sent: when for the first time, of a repeated one
--   rotate | login, login once: never again under a higher generation; with user, idle, absolute (0: none), membership ('': none)
--   life: idle limit of its own | clear | add: field, by | text: a field and what it must have | absent: a field
--   set: number, field and value each | remove: number, field each | take: number, field and expected value each

-- Below it a Lua number is an exact integer.
local EXACT = 9007199254740992

local id = argument()
local generation, most_fields, most_bytes = string.match(argument(), '^(%d+) (%d+) (%d+)$')
generation = tonumber(generation)
local sent, intent, user, idle, absolute, membership, life, clear
local add_field, add_by, expected_field, expected_text
local sets, removals, takes = {}, {}, {}
local function arguments(list, width)
  for i = 1, number() * width do
    list[i] = argument()
  end
end
for word in argument do
  if word == 'add' then
    add_field, add_by = argument(), argument()
  elseif word == 'set' then
    arguments(sets, 2)
  elseif word == 'remove' then
    arguments(removals, 1)
  elseif word == 'take' then
    arguments(takes, 2)
  elseif word == 'clear' then
    clear = true
  elseif word == 'text' then
    expected_field, expected_text = argument(), argument()
  elseif word == 'absent' then
    expected_field, expected_text = argument(), false
  elseif word == 'sent' then
    sent = number()
  elseif word == 'life' then
    life = number()
  else
    intent = word
    if word ~= 'rotate' then
      user, idle, absolute, membership = argument(), number(), number(), argument()
    end
  end
end

local old, instead, sum_before = record(add_field)
if not old then
  return answer(instead)
end
local login = intent == 'login' or intent == 'login once'
local same_user = login and old.user == user
local result = recognised(old.writes, id)
if result then
  -- The generation that this write led to; what others did since is not its doing.
  local led = intent and generation + 1 or generation
  if same_user then
    led = old.generation
  end
  return answer('done', led, old.ending, result)
end
if sent and forgotten(old.writes, sent) then
  return {'unknown', now}
end

-- A log-in of the user whose record it already is gets the current cookie again; the generation stays.
local again = generation < old.generation
if again and not (same_user and intent == 'login') then
  return answer('superseded')
end
local raised = intent and not again
local current = math.max(generation, old.generation) + (raised and 1 or 0)
if current > GENERATION_MOST then
  return answer('corrupt')
end
if expected_field then
  local actual = redis.call('HGET', key, expected_field)
  if actual ~= expected_text then
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

for i = 1, #sets, 2 do
  resize(sets[i], #sets[i + 1])
end
for _, field in ipairs(removals) do
  resize(field, 0)
end
for i = 1, #takes, 2 do
  if redis.call('HGET', key, takes[i]) == takes[i + 1] then
    removals[#removals + 1] = takes[i]
    resize(takes[i], 0)
  end
end
if add_field and not sum_before then
  fields, bytes = fields + 1, bytes + (#add_field - 1) + #add_by
end
local function too_large()
  return (fields > fields_before and fields > tonumber(most_fields))
    or (bytes > bytes_before and bytes > tonumber(most_bytes))
end
-- How long a sum is shows only when it is there.
if not sum_before and too_large() then
  return answer('too_large')
end

-- From here on everything is written. The addition comes first: Redis itself refuses what is no integer in its one
-- canonical form, and what would overflow. A large sum is read back as text: a Lua number has lost digits of it.
local sum = ''
if add_field then
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
  local exact = done < EXACT and done > -EXACT
  sum = exact and integer(done) or redis.call('HGET', key, add_field)
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
-- What an earlier version remembered is of use to it for a few seconds. The digits of the time follow those of an id.
local latest = old.earlier and tonumber(string.match(old.earlier, '(%d%d%d%d%d%d%d%d%d%d%d%d%d):[^:]*;$') or 0)
if latest and now - latest > RECOGNISED then
  removals[#removals + 1] = 'w'
end
for from = 1, #removals, MOST do
  redis.call('HDEL', key, unpack(removals, from, math.min(from + MOST - 1, #removals)))
end
local function put(field, value)
  sets[#sets + 1] = field
  sets[#sets + 1] = value
end
put('l', remember(old.writes, id, sum))
if fields ~= fields_before or bytes ~= bytes_before or not old.size then
  put('n', integer(fields) .. ' ' .. integer(bytes))
end
local ending, relive = old.ending, false
if current ~= old.generation or again then
  put('g', integer(current))
  put('r', integer(now))
end
if membership and membership ~= '' then
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
if life then
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
set_fields(sets, 1)
if relive then
  redis.call('PEXPIRE', key, integer(span(own_idle, ending)))
end
return {'done', now, current, ending, sum}
