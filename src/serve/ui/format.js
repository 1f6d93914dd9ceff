// Formats numbers and times for people.

const locale = navigator.language
const whole = new Intl.NumberFormat(locale)
const oneDigit = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const percent = new Intl.NumberFormat(locale, { style: 'percent' })
const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' })
const clockSeconds = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })

export const NONE = '–'

export const count = (number) => whole.format(number)
export const share = (part) => percent.format(part)
export const output = (number) => (number === null || number === undefined ? NONE : oneDigit.format(number))
export const time = (ms) => clock.format(ms)
export const timeWithSeconds = (ms) => clockSeconds.format(ms)
export const date = (ms) => day.format(ms)

/** Returns a racer's name, or a text with the number if there is none. */
export const racer = ({ name, racerId }) => name ?? `Racer ${racerId}`

/** Formats seconds as m:ss. */
export function seconds(number) {
  return `${Math.floor(number / 60)}:${String(Math.floor(number % 60)).padStart(2, '0')}`
}

/** Formats ms in the two greatest units: `3 d 4 h`, `12 min 3 s`. */
export function duration(ms) {
  const units = [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1_000]]
  const at = units.findIndex(([, length]) => ms >= length)
  if (at < 0) return '0 s'
  const [[unit, length], smaller] = units.slice(at)
  const rest = smaller && Math.floor((ms % length) / smaller[1])
  const first = `${count(Math.floor(ms / length))} ${unit}`
  return rest ? `${first} ${rest} ${smaller[0]}` : first
}

/** Formats ms with as many digits as matter. */
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return NONE
  if (ms < 10 && !Number.isInteger(ms)) return `${oneDigit.format(ms)} ms`
  return ms < 1_000 ? `${count(Math.round(ms))} ms` : `${oneDigit.format(ms / 1_000)} s`
}

export function bytes(number) {
  const mega = number / 1e6
  return mega < 1_000 ? `${count(Math.round(mega))} MB` : `${oneDigit.format(mega / 1_000)} GB`
}

/** Formats a number as 1st, 2nd, 3rd, 4th, 11th, 22nd. */
export function ordinal(number) {
  const ending = { one: 'st', two: 'nd', few: 'rd', other: 'th' }
  return `${number}${ending[new Intl.PluralRules('en', { type: 'ordinal' }).select(number)]}`
}
