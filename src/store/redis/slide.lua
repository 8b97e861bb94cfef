-- Sets the session's life to its idle limit, or what the absolute one leaves, when less than `within` is left. Notes what
-- it was seen with: what is new is told to one write only, however many bring it.
-- generation, within, then, where something is to be noted: id, address, agent ('': none), how long after the last note
-- something known that comes back is noted again, returns that were not noted

local KNOWN = 4

local generation, within, id = number(), number(), argument()
local old, instead = record()
if not old then
  return answer(instead)
end
if generation < old.generation then
  return answer('superseded')
end
local current = math.max(generation, old.generation)
local left, life = redis.call('PTTL', key), span(old.idle, old.ending)
-- PEXPIRE comes first: it is allowed when memory is full, and makes what follows allowed.
if left < within and life > left then
  redis.call('PEXPIRE', key, integer(life))
end
-- A higher generation can only come from us: a failover lost the write that raised it.
if generation > old.generation then
  redis.call('HSET', key, 'g', integer(generation), 'r', integer(now))
end
if not id then
  return {'done', now, current, old.ending}
end

local seen = redis.call('HMGET', key, 'a', 'h', 'd')
local addresses, agents = seen[1] or '', seen[2] or ''
local at, changes_a, changes_h, returns, by, news =
  string.match(seen[3] or '', '^(%d+) (%d+) (%d+) (%d+) ([^:]*):(%a*)$')
changes_a, changes_h = tonumber(changes_a or 0), tonumber(changes_h or 0)
returns, news = tonumber(returns or 0), news or ''

-- What to say of a note whose news these are: what was there before stands in the second line.
local function told(reply)
  local function before(lines)
    return string.match(lines, '^[^\n]*\n([^\n]*)')
  end
  local parts = {
    news, integer(returns),
    string.find(news, 'a') and before(addresses) or '', integer(changes_a),
    string.find(news, 'h') and before(agents) or '', integer(changes_h),
  }
  return reply(news == '' and 'done' or 'drifted', current, old.ending, unpack(parts))
end
if by == id then
  return told(answer)
end

-- How a text stands to the known ones, and these with it in front.
local function compare(lines, text)
  if text == '' or string.match(lines, '^[^\n]*') == text then
    return 'same', lines
  end
  local known, how = {text}, lines == '' and 'first' or 'new'
  for line in string.gmatch(lines, '[^\n]+') do
    if line == text then
      how = 'back'
    elseif #known < KNOWN then
      known[#known + 1] = line
    end
  end
  return how, table.concat(known, '\n')
end
local how_a, with_a = compare(addresses, argument())
local how_h, with_h = compare(agents, argument())
local again_after, unnoted = number(), number()
local back = how_a == 'back' or how_h == 'back'
local fresh = how_a == 'new' or how_a == 'first' or how_h == 'new' or how_h == 'first'
if not fresh and not (back and now - tonumber(at or 0) >= again_after) then
  return answer('done', current, old.ending)
end

addresses, agents, news = with_a, with_h, ''
if how_a == 'new' then changes_a, news = changes_a + 1, 'a' end
if how_h == 'new' then changes_h, news = changes_h + 1, news .. 'h' end
returns = returns + unnoted + (back and 1 or 0)
local noted = integer(now) .. ' ' .. integer(changes_a) .. ' ' .. integer(changes_h) .. ' ' .. integer(returns)
local sets = {'d', noted .. ' ' .. id .. ':' .. news}
for field, lines in pairs({a = addresses, h = agents}) do
  if lines ~= '' then
    sets[#sets + 1] = field
    sets[#sets + 1] = lines
  end
end
redis.call('HSET', key, unpack(sets))
return told(function(word, ...)
  return {word, now, ...}
end)
