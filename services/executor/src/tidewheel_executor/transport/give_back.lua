-- Give entries back to the group: each goes to the tail of its stream as a new entry, which any consumer may take.
--
-- KEYS: one stream for each entry. ARGV: group, then for each entry its id and its hint.
-- Returns how many were given back. An entry that is not pending any more (acked, or Redis was emptied) stays gone:
-- PostgreSQL brings its task back. One that a full Redis does not take anew stays pending.
local group, at, given = ARGV[1], 2, 0
for _, key in ipairs(KEYS) do
  local id, hint = ARGV[at], ARGV[at + 1]
  local pending = redis.pcall('XPENDING', key, group, id, id, 1)
  if not pending.err and #pending == 1 then
    local added = redis.pcall('XADD', key, '*', 'h', hint)
    if type(added) ~= 'table' or not added.err then
      redis.call('XACK', key, group, id)
      redis.call('XDEL', key, id)
      given = given + 1
    end
  end
  at = at + 2
end
return given
