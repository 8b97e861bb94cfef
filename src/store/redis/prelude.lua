-- Stands before every script. KEYS[1] is the one key that it touches; the first argument is the store's time, in
-- milliseconds, after which this attempt must not run: whoever sent it has given it up.

local key = KEYS[1]
local position = 0
local function argument()
  position = position + 1
  return ARGV[position]
end
local function number()
  return tonumber(argument())
end

-- Lua writes large numbers with an exponent, which Redis would not take for integers.
local function integer(value)
  return string.format('%.0f', value)
end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if now > number() then
  return {'late', now}
end

-- An answer that writes nothing. A node that was demoted would give it from an old copy without a complaint; it refuses
-- this removal like any other write. Nothing has such a field.
local function answer(word, ...)
  redis.call('HDEL', key, '')
  return {word, now, ...}
end
