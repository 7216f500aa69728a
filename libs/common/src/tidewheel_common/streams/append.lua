-- The head of every script that appends: `append(key, entries)` adds entries, {size, text, size, text, ...}, to a stream.
--
-- The id of an entry is `<hints>-<microseconds since 1970><size>`: how many hints were ever appended, with its own, and
-- in three digits how many it carries. So the difference of two ids is the number of hints between them, and Redis
-- tells at once how many are unread. The time makes it unlike the id of any entry that a Redis has forgotten and of which
-- an executor may still speak.
-- Never with MAXLEN: trimming drops entries that nobody has read.
local clock = redis.call('TIME')
local stamp = clock[1] .. string.format('%06d', clock[2])

local function appended(key)
  local info = redis.pcall('XINFO', 'STREAM', key)
  if info.err then return 0 end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(string.match(info[i + 1], '^%d+')) end
  end
end

-- Returns the error of Redis if it has no room, and nil otherwise.
local function append(key, entries)
  local hints = appended(key)
  for i = 1, #entries, 2 do
    hints = hints + entries[i]
    local id = string.format('%d-%s%03d', hints, stamp, entries[i])
    local added = redis.pcall('XADD', key, id, 'h', entries[i + 1])
    if type(added) == 'table' and added.err then return added end
  end
  return nil
end
