// Formats of numbers, durations, sizes and times, so that a value looks the same everywhere.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const HM = { hour: "2-digit", minute: "2-digit" };
const [short, clock, dated] = [HM, { ...HM, second: "2-digit" }, { ...HM, month: "short", day: "numeric" }].map((one) => new Intl.DateTimeFormat("en-GB", one));

/** Units of time in seconds. */
const TIMES = new Map([["seconds", 1], ["milliseconds", 1e-3], ["microseconds", 1e-6], ["nanoseconds", 1e-9]]);
const SECONDS = [[3600, "h", 36000], [60, "min", 600], [1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];
const BYTES = ["EiB", "PiB", "TiB", "GiB", "MiB", "KiB", "B"].map((name, i) => [1024 ** (6 - i), name]);

export const NONE = "–";
export const isBytes = (unit) => unit === "bytes" || unit === "By";

/** Formats with three significant digits, without an exponent if that is readable. */
function digits(value) {
	const size = Math.abs(value);
	if (size >= 1e15 || (size > 0 && size < 1e-3)) return value.toExponential(2);
	if (size >= 1000) return grouped.format(value);
	return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4);
}

function scaled(value, steps) {
	const size = Math.abs(value);
	const [step, name] = steps.find(([low, , from]) => size >= (from ?? low)) ?? steps.at(-1);
	return `${value === 0 ? 0 : step === 1 && name === "B" ? number(value) : digits(value / step)} ${value === 0 && name === "ns" ? "s" : name}`;
}

export function number(value) {
	if (value === null || value === undefined) return NONE;
	return Number.isInteger(value) && Math.abs(value) < 1e15 ? grouped.format(value) : digits(value);
}

/** Formats a value in its unit; texts, flags and objects of fields are values, too. */
export function quantity(value, unit) {
	if (Array.isArray(value)) return `[${value.map((one) => quantity(one)).join(", ")}]`;
	if (value && typeof value === "object") return Object.entries(value).map(([name, part]) => `${name} ${quantity(part)}`).join(" · ");
	if (value === null || typeof value !== "number") return String(value ?? NONE);
	if (TIMES.has(unit)) return scaled(value * TIMES.get(unit), SECONDS);
	if (isBytes(unit)) return scaled(value, BYTES);
	return unit ? `${number(value)} ${unit}` : number(value);
}

export const rate = (value, unit) => (value === null || value === undefined ? NONE : `${quantity(value, unit)}/s`);
export const time = (unix) => clock.format(unix * 1000);
export const shortTime = (unix) => short.format(unix * 1000);
export const moment = (unix) => (unix ? dated.format(unix * 1000) : NONE);

export function ago(unix) {
	const past = Math.max(0, Date.now() / 1000 - unix);
	const [step, name] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => past >= size) ?? [1, "s"];
	return `${Math.floor(past / step)} ${name}`;
}
