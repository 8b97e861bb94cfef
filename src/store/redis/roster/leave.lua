-- Removes members. A roster of nobody and no epoch is forgotten, unless its ticks are ahead of the clock.
-- what ('gone', 'reserved': only a reserved place of exactly this serial), number, handle and serial of each

if argument() == 'reserved' then
  number()
  local handle, serial = argument(), number()
  local m = member(handle)
  if not m or m.confirmed or m.serial ~= serial then
    return answer('left')
  end
  redis.call('HDEL', key, handle)
else
  remove_listed()
end
if epoch == 0 and tick < now and redis.call('HLEN', key) == 1 and state then
  redis.call('DEL', key)
end
return answer('left')
