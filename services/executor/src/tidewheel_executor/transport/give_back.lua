-- Give entries back to the group: what each carries goes to the tail of its stream, where any consumer may take it.
--
-- KEYS: one stream for each entry. ARGV: group, then for each entry its id, the number of bundles that it becomes, and
-- for each of these its size and its text.
-- Returns how many hints were given back. An entry that is not pending any more (acked, or Redis was emptied) stays gone:
-- PostgreSQL brings its tasks back. One that a full Redis does not take anew stays pending.
local group, at, given = ARGV[1], 2, 0
for _, key in ipairs(KEYS) do
  local id, last = ARGV[at], at + 1 + 2 * tonumber(ARGV[at + 1])
  local entries, hints = {}, 0
  for i = at + 2, last, 2 do
    entries[#entries + 1] = tonumber(ARGV[i])
    entries[#entries + 1] = ARGV[i + 1]
    hints = hints + tonumber(ARGV[i])
  end
  local pending = redis.pcall('XPENDING', key, group, id, id, 1)
  if not pending.err and #pending == 1 and not append(key, entries) then
    redis.call('XACK', key, group, id)
    redis.call('XDEL', key, id)
    given = given + hints
  end
  at = last + 1
end
return given
