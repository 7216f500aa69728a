-- Give entries back to the group: each goes to the tail of its stream as a new entry, which any consumer may take.
--
-- KEYS: one stream for each entry. ARGV: group, then for each entry its id, its size and its text.
-- Returns how many hints were given back. An entry that is not pending any more (acked, or Redis was emptied) stays gone:
-- PostgreSQL brings its tasks back. One that a full Redis does not take anew stays pending.
local group, given = ARGV[1], 0
for i, key in ipairs(KEYS) do
  local id, size, text = ARGV[3 * i - 1], tonumber(ARGV[3 * i]), ARGV[3 * i + 1]
  local pending = redis.pcall('XPENDING', key, group, id, id, 1)
  if not pending.err and #pending == 1 and not append(key, {size, text}) then
    redis.call('XACK', key, group, id)
    redis.call('XDEL', key, id)
    given = given + size
  end
end
return given
