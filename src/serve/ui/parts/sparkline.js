// A figure and how it was in the last seconds.

import { html } from '../html.js'

const [WIDTH, HEIGHT] = [120, 32]

/** `name`, `figure` as text, `values` (null for none) of which there can be `most`, `note` below. */
export function Sparkline({ name, figure, values, most, note }) {
  const known = values.filter((value) => value !== null)
  const top = Math.max(...known, 0) || 1
  const x = (i) => (WIDTH * (most - values.length + i)) / (most - 1)
  const y = (value) => HEIGHT - 1 - ((HEIGHT - 2) * value) / top
  const points = values.map((value, i) => value !== null && `${x(i).toFixed(1)},${y(value).toFixed(1)}`)
  const line = points.filter(Boolean).join(' ')
  return html`
    <section class="tile">
      <h2>${name}</h2>
      <p class="figure">${figure}</p>
      ${values.length > 0 && html`
        <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
          <polyline points=${line} />
        </svg>`}
      ${note && html`<p class="faint">${note}</p>`}
    </section>`
}
