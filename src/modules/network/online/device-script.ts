/*
 * One hash per subscription. `limit` is its limit; another field is `<server id> <address>`, its
 * value `<first>:<last>:<connected>:<excess>:<device>`. Times are milliseconds by Redis' clock; the
 * flags are 0 or 1.
 *
 * KEYS has the hash of each subscription. ARGV has the server id, which devices are in excess
 * (`oldest` or `newest`), the roaming time and the time to live in milliseconds, and then for each
 * subscription: its limit (`''` for the one that is stored), the number of addresses, and each
 * address with its device.
 *
 * Returns for each subscription its addresses in excess at this server, and then, for each server
 * where that list has changed, the server id and its list.
 */
export const LIMIT_DEVICES = `
local server, policy = ARGV[1], ARGV[2]
local roaming, ttl = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = 5

local function read(key)
  local rows, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local first, last, connected, excess, device = string.match(flat[i + 1], '^(%d+):(%d+):([01]):([01]):(.+)$')
    local owner, address = string.match(flat[i], '^(%S+) (%S+)$')
    if first and owner then
      rows[flat[i]] = { server = owner, address = address, device = device, first = tonumber(first),
        last = tonumber(last), connected = connected == '1', was = excess == '1' }
    end
  end
  return rows
end

-- What is not reported any more keeps its place for the roaming time.
local function take(key, rows)
  local limit, count = tonumber(ARGV[at] == '' and redis.call('HGET', key, 'limit') or ARGV[at]), tonumber(ARGV[at + 1])
  at = at + 2
  for _, row in pairs(rows) do
    if row.server == server then row.connected = false end
  end
  for _ = 1, count do
    local address, device = ARGV[at], ARGV[at + 1]
    local field = server .. ' ' .. address
    local row = rows[field] or { server = server, address = address, device = device, first = now, was = false }
    row.connected, row.last = true, now
    rows[field] = row
    at = at + 2
  end
  return limit
end

local function expire(key, rows)
  for field, row in pairs(rows) do
    local age = now - row.last
    if age > ttl or (not row.connected and age > roaming) then
      redis.call('HDEL', key, field)
      rows[field] = nil
    end
  end
end

-- The connected devices, the one that connected first in front. One that uses several addresses or
-- servers is one device.
local function byAge(rows)
  local first, connected, devices = {}, {}, {}
  for _, row in pairs(rows) do
    first[row.device] = math.min(first[row.device] or row.first, row.first)
    if row.connected and not connected[row.device] then
      connected[row.device] = true
      devices[#devices + 1] = row.device
    end
  end
  table.sort(devices, function(a, b)
    if first[a] ~= first[b] then return first[a] < first[b] end
    return a < b
  end)
  return devices, first
end

local function excessOf(rows, limit)
  local excess = {}
  if not limit then return excess end
  local devices, first = byAge(rows)
  local surplus = #devices - limit
  for i = 1, surplus do
    local device = policy == 'newest' and devices[#devices + 1 - i] or devices[i]
    if policy ~= 'newest' or now - first[device] >= roaming then excess[device] = true end
  end
  return excess
end

local result = {}
for i, key in ipairs(KEYS) do
  local rows = read(key)
  local limit = take(key, rows)
  expire(key, rows)
  local excess = excessOf(rows, limit)
  local changed, lists, isEmpty = {}, {}, true
  for field, row in pairs(rows) do
    local isExcess = excess[row.device] == true
    if isExcess ~= row.was then changed[row.server] = true end
    lists[row.server] = lists[row.server] or {}
    if isExcess then table.insert(lists[row.server], row.address) end
    isEmpty = false
    redis.call('HSET', key, field, string.format('%.0f:%.0f:%d:%d:%s', row.first, row.last,
      row.connected and 1 or 0, isExcess and 1 or 0, row.device))
  end
  if isEmpty then
    redis.call('DEL', key)
  else
    redis.call('HSET', key, 'limit', limit or '')
    redis.call('PEXPIRE', key, ttl)
  end
  local answer = { lists[server] or {} }
  for other in pairs(changed) do answer[#answer + 1] = { other, lists[other] } end
  result[i] = answer
end
return result
`;
