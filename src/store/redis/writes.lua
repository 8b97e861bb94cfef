-- Stands before the scripts that are recognised when they come again. Field l of a record has the latest writes: a byte
-- that is their number, then of each, oldest first, 8 bytes of id, 6 that are when it was done, in ms, 1 that is the length
-- of its result, and that. So little is copied with every write and every read of a session that is written to often.

local RECOGNISED = 5000    -- a write is recognised for this long
local RECOGNISED_MOST = 64 -- and among this many
local ID, HEAD = 8, 15

-- The result of a write that was done before, or nil.
local function recognised(writes, id)
  local at = writes and string.find(writes, id, 2, true)
  local length = at and string.byte(writes, at + HEAD - 1)
  return length and string.sub(writes, at + HEAD, at + HEAD + length - 1)
end

-- The latest writes with this one, without those that are too old or too many.
local function remember(writes, id, result)
  local count, from = 1, 2
  if writes then
    count = (string.byte(writes) or 0) + 1
    while count > 1 do
      if from + HEAD - 1 > #writes then
        -- Not as we write it: it begins anew.
        count = 1
        break
      end
      local at, length = struct.unpack('>I6B', writes, from + ID)
      if count <= RECOGNISED_MOST and now - at <= RECOGNISED then
        break
      end
      from, count = from + HEAD + length, count - 1
    end
  end
  local kept = count > 1 and string.sub(writes, from) or ''
  return string.char(count) .. kept .. id .. struct.pack('>I6B', now, #result) .. result
end

-- Whether a write first sent at this time may have been done and forgotten since.
local function forgotten(writes, sent)
  local full = writes and #writes > ID + HEAD and string.byte(writes) >= RECOGNISED_MOST
  return sent < now - RECOGNISED or (full and sent <= struct.unpack('>I6', writes, 2 + ID))
end

-- Many fields in a few commands: Lua cannot pass more than some thousand arguments at once.
local MOST = 1000
local function set_fields(pairs_in_turn, first)
  for from = first, #pairs_in_turn, MOST do
    redis.call('HSET', key, unpack(pairs_in_turn, from, math.min(from + MOST - 1, #pairs_in_turn)))
  end
end
