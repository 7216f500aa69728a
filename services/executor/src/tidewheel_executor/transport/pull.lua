-- Take entries for as many Celery messages as there is room for, and not one more.
--
-- KEYS: the streams, three for each queue: high, medium, low.
-- ARGV: group, consumer,
--       room     how many messages a child could start soon; each hint uses its handler's share of one message,
--       most     how many hints to take at most,
--       longest  seconds; an entry with a longer timeout of its own travels alone and uses a whole message,
--       aging    every so many visits a queue is visited from below, so that low never starves (0: never),
--       turn     visits so far, in all pulls of this worker,
--       lanes    how many of these messages may be long,
--       then pairs of handler and share (a handler that is not named uses a whole message). A share below zero is that of a
--                handler whose messages are long as well.
-- Returns {turn, groups made, {{index of the stream, id, fields}, ...}, streams whose next entry is long and has no lane}.
--
-- Queues take turns. A visit takes from one line until that makes an eighth of a message, so bundles have no advantage
-- over hints that come one by one. What comes next is taken for the like of what came last: if there is no room for that,
-- it is left to others, since what does not fit would wait here for a child.
--
-- XREADGROUP reads one entry at a time, because what it costs is known only then and a stream entry cannot be put back;
-- inside the server that is about 2 microseconds each. Without a lane left, each entry is looked at before it is read.
local LEVELS = 3
local CRUMB = 1e-9 -- sums of parts are not exact
local TURN = 1 / 8 -- of a message; what a bundle has at most
local DOWN, FROM_LOW, FROM_MEDIUM = {1, 2, 3}, {3, 2, 1}, {2, 3, 1}

local group, consumer = ARGV[1], ARGV[2]
local room, most, longest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local aging, turn, lanes = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local shares = {}
for i = 9, #ARGV, 2 do shares[ARGV[i]] = tonumber(ARGV[i + 1]) end

local queues = #KEYS / LEVELS
local drained, made, taken, hints, blocked, delivered = {}, 0, {}, 0, 0, {}

local function read(key)
  return redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', key, '>')
end

local function make_group(key)
  redis.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM')
  made = made + 1
end

-- Returns what an entry uses of a message, and of a lane, and how many hints it carries.
local function share_of(fields)
  -- The words of a bundle: ids, attempts, lost, timeout, trace, handler.
  local ids, lost, timeout, handler = string.match(fields[2] or '', '^(%S+) %S+ (%d+) (%S+) %S+ (.+)$')
  if lost ~= '0' or (timeout ~= '-' and (tonumber(timeout) or math.huge) > longest) then return 1, 1, 1 end
  local hints = (#ids + 1) / 33
  local share = shares[handler]
  if not share then return 1, 1, hints end
  local lane = share < 0 and -share * hints or 0
  return math.min(math.abs(share) * hints, 1), lane, hints
end

local function last_delivered(key)
  local groups = redis.pcall('XINFO', 'GROUPS', key)
  for _, fields in ipairs(groups.err and {} or groups) do
    local found = {}
    for i = 1, #fields, 2 do found[fields[i]] = fields[i + 1] end
    if found.name == group then return found['last-delivered-id'] end
  end
  make_group(key)
  return '0-0'
end

local function next_is_long(index)
  local key = KEYS[index]
  if redis.call('XLEN', key) == 0 then return false end
  delivered[index] = delivered[index] or last_delivered(key)
  local entry = redis.call('XRANGE', key, '(' .. delivered[index], '+', 'COUNT', 1)[1]
  return entry and select(2, share_of(entry[2])) > 0
end

local function take_from(index)
  if drained[index] then return nil end
  if lanes <= 0 and next_is_long(index) then
    drained[index] = true
    blocked = blocked + 1
    return nil
  end
  local reply = read(KEYS[index])
  if type(reply) == 'table' and reply.err and string.find(reply.err, 'NOGROUP', 1, true) then
    make_group(KEYS[index])
    reply = read(KEYS[index])
  end
  if type(reply) ~= 'table' then
    drained[index] = true
    return nil
  end
  if reply.err then return nil, reply end
  local entry = reply[1][2][1]
  if lanes <= 0 then delivered[index] = entry[1] end
  return entry
end

-- Returns whether there was anything, or nil and an error.
local function visit(queue, order)
  for _, level in ipairs(order) do
    local index, used = queue * LEVELS + level, 0
    while used + CRUMB < TURN and room > 0 and hints < most do
      local entry, err = take_from(index)
      if err then return nil, err end
      if not entry then break end
      taken[#taken + 1] = {index, entry[1], entry[2]}
      local share, lane, carried = share_of(entry[2])
      hints = hints + carried
      lanes = lanes - lane
      used = used + share
      room = room - share
      if room + CRUMB < share then room = 0 end
    end
    if used > 0 then return true end
  end
  return false
end

local function order_now()
  local round = math.floor(turn / queues)
  if aging == 0 or round % aging ~= aging - 1 then return DOWN end
  return math.floor(round / aging) % 2 == 0 and FROM_LOW or FROM_MEDIUM
end

local misses = 0
while room > 0 and hints < most and misses < queues do
  local found, err = visit(turn % queues, order_now())
  if err then return err end
  turn = turn + 1
  misses = found and 0 or misses + 1
end
return {turn, made, taken, blocked}
