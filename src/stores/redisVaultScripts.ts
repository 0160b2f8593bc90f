import { script } from './redisLink.js';

/*
 * One hash per document: `version`, which only grows; `sealed`, absent where it was removed; `writer`, the id of the write
 * that brought it; `holder` and `until` of its lock. All is in one key, so that each step is one step.
 */

/** Returns version, writer, sealed. */
export const READ = script(`
local found = redis.call('HMGET', KEYS[1], 'version', 'writer', 'sealed')
return {tonumber(found[1] or '0'), found[2] or '', found[3] or ''}`);

/**
 * Arguments: version, writer, sealed, holder, life in milliseconds. Returns 1 where it is written, also by the same write
 * before; 0 where another one has written since, or holds the lock.
 */
export const WRITE = script(`
local found = redis.call('HMGET', KEYS[1], 'version', 'writer', 'holder', 'until')
local version, wanted = tonumber(found[1] or '0'), tonumber(ARGV[1])
if version == wanted and found[2] == ARGV[2] then return 1 end
if version >= wanted then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[4] ~= '' and found[3] and found[3] ~= ARGV[4] and tonumber(found[4]) > now then return 0 end
redis.call('HSET', KEYS[1], 'version', wanted, 'writer', ARGV[2])
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], 'sealed') else redis.call('HSET', KEYS[1], 'sealed', ARGV[3]) end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1`);

/** Arguments: holder, life of the lock, life of a hash that holds nothing else; milliseconds. Returns 0, or how long another one's lasts. */
export const LOCK = script(`
local found = redis.call('HMGET', KEYS[1], 'holder', 'until', 'version')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = found[1] and found[1] ~= ARGV[1] and tonumber(found[2]) - now or 0
if left > 0 then return left end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]))
if not found[3] then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 0`);

/** Arguments: holder, life of the lock in milliseconds. A lock that Redis has forgotten is taken anew. */
export const PROLONG = script(`
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fresh = redis.call('EXISTS', KEYS[1]) == 0
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]))
if fresh then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`);

/** Argument: holder. */
export const UNLOCK = script(`
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'holder', 'until')
return 1`);

/** Argument: cursor. The key is the beginning of all keys. Returns the next cursor and the keys. */
export const SCAN = script(`
local prefix = string.gsub(KEYS[1], '[%*%?%[%]\\\\]', '\\\\%0')
return redis.call('SCAN', ARGV[1], 'MATCH', prefix .. '*', 'COUNT', 500)`);

/** A key of no meaning, to see whether the server takes anything. */
export const PROVE = script(`return redis.call('SET', KEYS[1], '1', 'PX', 1000)`);
