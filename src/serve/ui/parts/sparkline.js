// A number with a line of its recent values.

import { html } from '../html.js'

const [WIDTH, HEIGHT] = [120, 32]
/** The minimum number of values for a line of full width. */
const VALUES_MIN = 30

/** `name`; `figure`: the current value as text; `values`: oldest first, null for none; `note`: text below. */
export function Sparkline({ name, figure, values, note }) {
  const known = values.filter((value) => value !== null)
  const top = Math.max(...known, 0) || 1
  const places = Math.max(VALUES_MIN, values.length)
  const x = (i) => (WIDTH * (places - values.length + i)) / (places - 1)
  const y = (value) => HEIGHT - 1 - ((HEIGHT - 2) * value) / top
  const points = values.map((value, i) => value !== null && `${x(i).toFixed(1)},${y(value).toFixed(1)}`)
  const line = points.filter(Boolean).join(' ')
  return html`
    <section class="tile">
      <h2>${name}</h2>
      <p class="figure">${figure}</p>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
        <line x2=${WIDTH} y1=${HEIGHT - 0.5} y2=${HEIGHT - 0.5} />
        <polyline points=${line} />
      </svg>
      ${note && html`<p class="faint">${note}</p>`}
    </section>`
}
