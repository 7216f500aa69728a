-- Append bundles to the streams of one queue.
--
-- KEYS: the streams. ARGV: for each stream the number of its bundles, then for each of these its size and its text.
local at = 1
for _, key in ipairs(KEYS) do
  local entries, last = {}, at + 2 * tonumber(ARGV[at])
  for i = at + 1, last, 2 do
    entries[#entries + 1] = tonumber(ARGV[i])
    entries[#entries + 1] = ARGV[i + 1]
  end
  local err = append(key, entries)
  if err then return err end
  at = last + 1
end
