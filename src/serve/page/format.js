// How numbers, durations, sizes and times look. One place, so that the same value looks the same everywhere.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clockShort = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const dateClock = new Intl.DateTimeFormat("en-GB", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** What a unit is in seconds, for the units that are times. */
const TIMES = { seconds: 1, s: 1, milliseconds: 1e-3, ms: 1e-3, microseconds: 1e-6, us: 1e-6, "µs": 1e-6, nanoseconds: 1e-9, ns: 1e-9 };
const BYTES = new Set(["bytes", "byte", "By", "B"]);

export const NONE = "–";

export const isBytes = (unit) => BYTES.has(unit);

/** Three significant digits without an exponent where people read them. */
function digits(value) {
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-3)) return value.toExponential(2);
  if (size >= 1000) return grouped.format(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 4);
}

function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 1e-6) return `${digits(value * 1e9)} ns`;
  if (size < 1e-3) return `${digits(value * 1e6)} µs`;
  if (size < 1) return `${digits(value * 1e3)} ms`;
  if (size < 600) return `${digits(value)} s`;
  return size < 36000 ? `${digits(value / 60)} min` : `${digits(value / 3600)} h`;
}

function bytes(value) {
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let step = 0;
  while (Math.abs(value) >= 1024 && step < names.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${step === 0 && Number.isInteger(value) ? value : digits(value)} ${names[step]}`;
}

/** A number without a unit: whole numbers in full. */
export function number(value) {
  if (value === null || value === undefined) return NONE;
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? grouped.format(value) : digits(value);
}

/** A value in its unit. Texts, flags and objects of fields are values too. */
export function quantity(value, unit) {
  if (value === null || value === undefined) return NONE;
  if (Array.isArray(value)) return `[${value.map((one) => quantity(one)).join(", ")}]`;
  if (typeof value === "object") return Object.entries(value).map(([name, part]) => `${name} ${quantity(part)}`).join(" · ");
  if (typeof value !== "number") return String(value);
  if (Object.hasOwn(TIMES, unit ?? "")) return seconds(value * TIMES[unit]);
  if (isBytes(unit)) return bytes(value);
  return unit ? `${number(value)} ${unit}` : number(value);
}

/** How much a second. */
export function rate(value, unit) {
  if (value === null || value === undefined) return NONE;
  if (isBytes(unit)) return `${bytes(value)}/s`;
  if (Object.hasOwn(TIMES, unit ?? "")) return `${seconds(value * TIMES[unit])}/s`;
  return `${value === 0 ? "0" : digits(value)}/s`;
}

export const time = (unix) => (unix === null || unix === undefined ? NONE : clock.format(unix * 1000));
export const shortTime = (unix) => clockShort.format(unix * 1000);

/** A time of day, with the date where it was not within the last hours. */
export function moment(unix) {
  if (!unix) return NONE;
  return (Math.abs(Date.now() / 1000 - unix) < 43200 ? clock : dateClock).format(unix * 1000);
}

/** How long ago, roughly. */
export function ago(unix) {
  if (!unix) return NONE;
  const past = Math.max(0, Date.now() / 1000 - unix);
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (past >= size) return `${Math.floor(past / size)} ${name}`;
  }
  return `${Math.floor(past)} s`;
}
