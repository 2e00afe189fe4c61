-- Marks an event and appends it, in one step: a redelivery appends nothing, and a revision that is not above the
-- entity's last is dropped.
-- KEYS: stream, epoch, mark of the event, revision of the entity
-- ARGV: new epoch, seconds that marks live, most entries, revision or '', topic, event id, envelope
redis.call('SET', KEYS[2], ARGV[1], 'NX')
if not redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[2]) then
  return 'duplicate'
end
if ARGV[4] ~= '' then
  local last = redis.call('GET', KEYS[4])
  if last and tonumber(last) >= tonumber(ARGV[4]) then
    return 'stale'
  end
  redis.call('SET', KEYS[4], ARGV[4], 'EX', ARGV[2])
end
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 't', ARGV[5], 'i', ARGV[6], 'e', ARGV[7])
