-- Adds what a source has counted since its last push to the keys of a label, exactly once.
--
-- The state of a label is a hash. A field for each source, "<file><series>" of 16 + 8 characters, holds what was
-- already added from it: version count total squares entry day. 8 more characters distinguish a group that can be
-- removed from a later one of the same name. The field "=" holds what COUNT, TOTAL and TOTAL_SQ were after the last
-- push, and the squares:
--   count total total_sq squares.
-- "squares" are sums of squares about the mean, so that no digits cancel as they do in TOTAL_SQ. "entry" is the
-- number of the last entry of a history. "version" of a retired file rises with every fold; otherwise it is 0, or -1
-- if the group was removed and made anew.
--
-- A retired file absorbs the sources whose files are members of FOLDED and that have the same series: what they had
-- added is part of its own totals. From then on they are ignored.
--
-- Nothing is written before everything has been read and checked, so an error leaves all keys as they were.
--
-- Most of the time is spent in commands, so there are few, each with several keys or fields.
local STATE, FOLDED, INDEX = KEYS[1], KEYS[2], KEYS[3]
local COUNT, TOTAL, TOTAL_SQ, AVG, STDEV = KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local MIN, MAX, LAST, LAST_TIME, HISTORY = KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local source, label, retired = ARGV[1], ARGV[2], ARGV[3] == '1'
local version, day, size = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local least, greatest, last, last_time = ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local ENTRIES = 14 -- number, text, number, text, …; the oldest first
local TWO_WEEKS, FOUR_WEEKS = 1209600, 2419200

local function numbers(text)
    local found = {}
    for number in string.gmatch(text, '%S+') do
        found[#found + 1] = tonumber(number)
    end
    return found
end

-- Returns the shortest decimal that equals this number. The result is never a NaN or infinite.
local function text(x)
    if x ~= x then x = 0 end
    x = math.max(-1.7976931348623157e308, math.min(x, 1.7976931348623157e308))
    for digits = 15, 16 do
        local short = string.format('%.' .. digits .. 'g', x)
        if tonumber(short) == x then return short end
    end
    return string.format('%.17g', x)
end

-- Merges two sets of n numbers with sum t and squares q (Chan, Golub, LeVeque).
local function both(a, b)
    if a.n == 0 then return b end
    if b.n == 0 then return a end
    local apart, n = b.t / b.n - a.t / a.n, a.n + b.n
    return {n = n, t = a.t + b.t, q = a.q + b.q + apart * apart * a.n / n * b.n}
end

-- Returns what is in a but not in its subset b.
local function without(a, b)
    if b.n == 0 then return a end
    local n, t = a.n - b.n, a.t - b.t
    if n <= 0 then return {n = 0, t = 0, q = 0} end
    local apart = t / n - b.t / b.n
    local q = a.q - b.q - apart * apart * b.n / a.n * n
    return {n = n, t = t, q = n > 1 and math.max(q, 0) or 0}
end

-- 1. Everything is read.
local file, series = string.sub(source, 1, 16), string.sub(source, 17, 24)
if not retired and redis.call('ZSCORE', FOLDED, file) then
    return 'folded'
end
local own, left, pruned = unpack(redis.call('HMGET', STATE, source, '=', ':pruned'))
pruned = tonumber(pruned or 0)
local before = own and numbers(own) or {retired and -1 or version, 0, 0, 0, 0, 0}
local had = {n = before[2], t = before[3], q = before[4]}
if version < before[1] then
    return 'stale'
end
local absorbed, removed = {}, {}
if retired then
    local fields = redis.call('HGETALL', STATE)
    for i = 1, #fields, 2 do
        local field = fields[i]
        if #field >= 24 and field ~= source and string.sub(field, 17, 24) == series
            and redis.call('ZSCORE', FOLDED, string.sub(field, 1, 16)) then
            local of = numbers(fields[i + 1])
            -- The counts of a removed group stay, and are in no retired file.
            if of[1] >= 0 then had = both(had, {n = of[2], t = of[3], q = of[4]}) end
            absorbed[#absorbed + 1] = field
        end
    end
elseif #source > 24 and not own then
    local fields = redis.call('HGETALL', STATE)
    for i = 1, #fields, 2 do
        if string.sub(fields[i], 1, 24) == string.sub(source, 1, 24) then
            removed[fields[i]] = string.gsub(fields[i + 1], '^%S+', '-1')
        end
    end
end
local now = {n = tonumber(ARGV[7]), t = tonumber(ARGV[8]), q = tonumber(ARGV[9])}
if now.n < had.n and not (retired and version > before[1]) then
    return 'stale'
end
local new = without(now, had)
local entries, entry = {}, before[5]
for i = ENTRIES, #ARGV, 2 do
    local at = tonumber(ARGV[i])
    if at > before[5] then
        entries[#entries + 1], entry = ARGV[i + 1], at
    end
end
local number_keys = {COUNT, TOTAL, TOTAL_SQ, MIN, MAX, LAST_TIME, LAST, AVG, STDEV}
local texts, number, there = redis.call('MGET', unpack(number_keys)), {}, 0
for i, key in ipairs(number_keys) do
    local read = tonumber(texts[i] or 0)
    if not read or read ~= read or read == 1 / 0 or read == -1 / 0 then
        return redis.error_reply('WRONGTYPE ' .. key .. ' holds no number')
    end
    number[i] = read
    if texts[i] then there = there + 1 end
end
if redis.call('EXISTS', unpack(number_keys)) > there then
    -- A key holds another type, which MGET reports as missing. GET returns the error.
    for _, key in ipairs(number_keys) do redis.call('GET', key) end
end
local count, total, total_sq, min, max, time = unpack(number, 1, 6)
local count_text, _, _, min_text, max_text, time_text, last_text = unpack(texts, 1, 7)
redis.call('LLEN', HISTORY)
redis.call('ZSCORE', INDEX, label)
local state = {}

-- 2. The numbers.
if new.n > 0 then
    local function set(key, value)
        redis.call('SET', key, value, 'EX', TWO_WEEKS)
    end
    if count_text and string.match(count_text, '^%-?%d+$') then
        redis.call('INCRBY', COUNT, string.format('%.0f', new.n))
        redis.call('EXPIRE', COUNT, TWO_WEEKS)
    else
        set(COUNT, string.format('%.0f', count + new.n))
    end
    -- Everything in the keys: what this script left there, and what others have added since.
    local all = {n = count, t = total, q = count > 0 and math.max(total_sq - total * total / count, 0) or 0}
    left = left and numbers(left)
    if left and count >= left[1] then
        all = {n = left[1], t = left[2], q = left[4]}
        local others = {n = count - left[1], t = total - left[2], q = 0}
        if others.n > 0 then
            if others.n > 1 then
                others.q = math.max(total_sq - left[3] - others.t * others.t / others.n, 0)
            end
            all = both(all, others)
        end
    end
    all = both(all, new)
    local mean = new.t / new.n
    local sum, sum_sq = text(total + new.t), text(total_sq + new.q + mean * mean * new.n)
    set(TOTAL, sum)
    set(TOTAL_SQ, sum_sq)
    set(AVG, text(all.t / all.n))
    set(STDEV, text(all.n > 1 and math.sqrt(all.q / (all.n - 1)) or 0))
    set(MIN, (not min_text or tonumber(least) < min) and least or min_text)
    set(MAX, (not max_text or tonumber(greatest) > max) and greatest or max_text)
    if last ~= '' and (not time_text or tonumber(last_time) >= time) then
        redis.call('SET', LAST, last)
        redis.call('SET', LAST_TIME, last_time)
    elseif not last_text or not time_text then
        -- The last value is not known, and without one the label could not be read.
        redis.call('SET', LAST, text(mean))
        redis.call('SET', LAST_TIME, last_time)
    end
    redis.call('ZADD', INDEX, 1, label)
    state = {'=', string.format('%.0f %s %s %s', all.n, sum, sum_sq, text(all.q))}
end
if #entries > 0 then
    for i = 1, #entries, 1000 do
        redis.call('LPUSH', HISTORY, unpack(entries, i, math.min(i + 999, #entries)))
    end
    redis.call('LTRIM', HISTORY, 0, size - 1)
    redis.call('EXPIRE', HISTORY, TWO_WEEKS)
end

-- 3. What was added.
if not retired then version = before[1] end
local function keep(field, value)
    state[#state + 1], state[#state + 2] = field, value
end
keep(source, string.format('%.0f %.0f %s %s %.0f %.0f', version, now.n, text(now.t), text(now.q), entry, day))
if pruned < day then keep(':pruned', day) end
redis.call('HMSET', STATE, unpack(state))
for field, was in pairs(removed) do
    redis.call('HSET', STATE, field, was)
end
for _, field in ipairs(absorbed) do
    redis.call('HDEL', STATE, field)
end
if pruned > 0 and pruned < day then
    -- Drop sources that have not been pushed for as long as a state lives.
    local fields = redis.call('HGETALL', STATE)
    for i = 1, #fields, 2 do
        local of = #fields[i] >= 24 and numbers(fields[i + 1])
        if of and of[6] < day - 28 then redis.call('HDEL', STATE, fields[i]) end
    end
end
redis.call('EXPIRE', STATE, FOUR_WEEKS)
if retired and own and version - before[1] > 1024 then
    return 'unnamed'
end
return 'ok'
