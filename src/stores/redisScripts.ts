import { script } from './redisLink.js';

/** GCRA by the clock of Redis. Arguments: milliseconds per token, burst, cost, most that is wanted. Returns granted, left, wait. */
export const TAKE = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local interval, burst, cost, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
local left = burst - (full - now) / interval
local free = math.floor(left + 0.0001)
local granted, wait = 0, 0
if free >= cost then granted = math.min(free, want) else wait = math.ceil((cost - left) * interval) end
if granted > 0 then
  full = full + granted * interval
  redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', string.format('%.0f', math.ceil(full - now) + 1))
end
return {granted, math.max(0, free - granted), wait}`);

/** Arguments: milliseconds per token, burst. Returns how many are left. */
export const LEFT = script(`
local time = redis.call('TIME')
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
local missing = math.max(0, full - time[1] * 1000 - time[2] / 1000) / tonumber(ARGV[1])
return math.max(0, math.floor(tonumber(ARGV[2]) - missing + 0.0001))`);

export const FORGET = script(`return redis.call('DEL', KEYS[1])`);

/** Arguments: limit, life in milliseconds, id. Who hasn't renewed its place in time has lost it. */
export const ENTER = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`);

/** Arguments: life in milliseconds, ids. Takes the places anew where Redis has forgotten them. */
export const RENEW = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`);

export const LEAVE = script(`return redis.call('ZREM', KEYS[1], ARGV[1])`);
