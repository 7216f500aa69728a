-- Append hints to the streams of one queue.
--
-- KEYS: the streams. ARGV: for each stream the number of its hints, then these.
-- Never with MAXLEN: trimming drops entries that nobody has read.
local at = 1
for _, key in ipairs(KEYS) do
  local last = at + tonumber(ARGV[at])
  for i = at + 1, last do redis.call('XADD', key, '*', 'h', ARGV[i]) end
  at = last + 1
end
