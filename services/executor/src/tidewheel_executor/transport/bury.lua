-- Remove consumers that hold nothing and have not been heard of for a while.
--
-- KEYS: streams. ARGV: group, milliseconds of silence, consumer that leaves by itself now ('' for none).
-- Returns how many were removed. Removing a consumer also forgets what is pending for it, so the check and the removal
-- are one step here.
local group, silence, leaving, buried = ARGV[1], tonumber(ARGV[2]), ARGV[3], 0
for _, key in ipairs(KEYS) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', key, group)
  if not consumers.err then
    for _, fields in ipairs(consumers) do
      local consumer = {}
      for i = 1, #fields, 2 do consumer[fields[i]] = fields[i + 1] end
      if consumer.pending == 0 and (consumer.name == leaving or consumer.idle > silence) then
        redis.call('XGROUP', 'DELCONSUMER', key, group, consumer.name)
        buried = buried + 1
      end
    end
  end
end
return buried
