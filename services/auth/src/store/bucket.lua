-- A token bucket in one number: the time, in microseconds, at which the bucket is full again. It holds ARGV[1] tokens
-- and gets as many in a minute. Answers 0 where one was taken, else the microseconds until there is one.
local minute = 60000000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local step = math.max(1, math.floor(minute / tonumber(ARGV[1])))
local full_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- The last of the two is for a clock that was set back: nobody waits longer than a minute.
full_at = math.min(math.max(full_at, now), now + minute)
local wait = full_at + step - (now + minute)
if wait > 0 then
    return wait
end
full_at = full_at + step
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return 0
