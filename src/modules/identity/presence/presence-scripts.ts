/*
 * One hash per account. A field is `<device id>:<instance id>`, its value
 * `<connectedAt>:<expiresAt>:<displaced>`. Times are milliseconds by Redis' clock, so that clock
 * skew between instances does not matter; `displaced` is 0 or 1.
 *
 * Each script handles several entries. KEYS has the hash of each entry. ARGV has the instance id,
 * the time to live of a field in milliseconds, and then the arguments of each entry.
 */
const COMMON = `
local instance, ttl = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function parse(value)
  local since, expires, displaced = string.match(value, '^(%d+):(%d+):([01])$')
  return tonumber(since), tonumber(expires), displaced == '1'
end

local function put(key, field, since, displaced)
  redis.call('HSET', key, field, string.format('%.0f:%.0f:%d', since, now + ttl, displaced and 1 or 0))
  redis.call('PEXPIRE', key, ttl)
end

-- Returns the fields that have not expired.
local function read(key)
  local found, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local since, expires, displaced = parse(flat[i + 1])
    if expires and expires > now then
      local device = string.match(flat[i], '^([^:]+)')
      found[#found + 1] = { field = flat[i], device = device, since = since, displaced = displaced }
    end
  end
  return found
end
`;

const LIMITING = `${COMMON}
-- Returns the online devices, longest-connected first. If several connected in the same
-- millisecond, the connecting device comes last.
local function byAge(fields, connecting)
  local ages, devices = {}, {}
  for _, f in ipairs(fields) do
    if not f.displaced then
      if not ages[f.device] then devices[#devices + 1] = f.device end
      ages[f.device] = math.min(ages[f.device] or f.since, f.since)
    end
  end
  table.sort(devices, function(a, b)
    if ages[a] ~= ages[b] then return ages[a] < ages[b] end
    if a == connecting or b == connecting then return b == connecting and a ~= b end
    return a < b
  end)
  return devices
end

local function displace(key, fields, device)
  for _, f in ipairs(fields) do
    if f.device == device and not f.displaced then put(key, f.field, f.since, true) end
  end
end

-- Displaces the longest-connected devices above the limit, and appends their ids to the result.
local function enforce(key, limit, connecting, result)
  local fields = read(key)
  local devices = byAge(fields, connecting)
  for i = 1, #devices - limit do
    displace(key, fields, devices[i])
    result[#result + 1] = devices[i]
  end
  return result
end
`;

/**
 * Arguments of an entry: device id, online limit (`''` for unlimited). Returns for each entry 1 if
 * the device was displaced before, `connectedAt`, and the ids of the devices that this call
 * displaced.
 */
export const CONNECT = `${LIMITING}
local function deleteExpired(key)
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local _, expires = parse(flat[i + 1])
    if not expires or expires <= now then redis.call('HDEL', key, flat[i]) end
  end
end

local function connect(key, device, limit)
  deleteExpired(key)
  local own, since, wasDisplaced = device .. ':' .. instance, now, 0
  for _, f in ipairs(read(key)) do
    if f.field == own then
      if f.displaced then wasDisplaced = 1 else since = f.since end
    end
  end
  put(key, own, since, false)
  local result = { wasDisplaced, string.format('%.0f', since) }
  if not limit then return result end
  return enforce(key, limit, device, result)
end

local results = {}
for i, key in ipairs(KEYS) do
  results[i] = connect(key, ARGV[1 + 2 * i], tonumber(ARGV[2 + 2 * i]))
end
return results`;

/**
 * Argument of an entry: online limit. Returns for each entry the ids of the devices that this call
 * displaced.
 */
export const LIMIT = `${LIMITING}
local results = {}
for i, key in ipairs(KEYS) do
  results[i] = enforce(key, tonumber(ARGV[2 + i]), nil, {})
end
return results`;

/**
 * Arguments of an entry: device id, `connectedAt` (`''` if unknown). Returns for each entry 1 if
 * the device was displaced. A displaced field remains until its instance closes the sockets and
 * disconnects the device.
 */
export const HEARTBEAT = `${COMMON}
local function heartbeat(key, device, connectedAt)
  local field = device .. ':' .. instance
  local value = redis.call('HGET', key, field)
  local since, displaced = connectedAt, false
  if value then
    local _
    since, _, displaced = parse(value)
  end
  put(key, field, since or now, displaced)
  return displaced and 1 or 0
end

local results = {}
for i, key in ipairs(KEYS) do
  results[i] = heartbeat(key, ARGV[1 + 2 * i], tonumber(ARGV[2 + 2 * i]))
end
return results`;

/**
 * Argument of an entry: device id. Returns for each entry 1 if the device is online at another
 * instance.
 */
export const DISCONNECT = `${COMMON}
local results = {}
for i, key in ipairs(KEYS) do
  local device = ARGV[2 + i]
  redis.call('HDEL', key, device .. ':' .. instance)
  results[i] = 0
  for _, f in ipairs(read(key)) do
    if f.device == device and not f.displaced then results[i] = 1 end
  end
end
return results`;

/** No arguments. Returns for each key the ids of the online devices. */
export const ONLINE = `${COMMON}
local results = {}
for i, key in ipairs(KEYS) do
  local devices = {}
  for _, f in ipairs(read(key)) do
    if not f.displaced then devices[#devices + 1] = f.device end
  end
  results[i] = devices
end
return results`;
