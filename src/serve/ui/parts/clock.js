// How far a race is, or when the next one starts.

import * as format from '../format.js'
import { html } from '../html.js'

/** `second` that is reached, of `raceSeconds`, either null where unknown; `now`, once the service told it. */
export function Clock({ standings, second, raceSeconds, races, now }) {
  if (now === undefined) return html`<p class="clock faint">Waiting for the service…</p>`
  if (standings.raceId === null) return html`<${Pause} next=${races.next(now)} last=${races.lastOver()} />`
  const left = raceSeconds && second && Math.max(0, raceSeconds - second)
  return html`
    <div class="clock">
      <p class="left"><strong>${left === null ? format.NONE : format.seconds(left)}</strong> left</p>
      <div class="progress">
        <progress max=${raceSeconds ?? 1} value=${second ?? 0} aria-label="Second of the race"></progress>
        <p class="faint">
          <span>second <b>${second ?? format.NONE}</b>${raceSeconds && ` of ${raceSeconds}`}</span>
          <span>${format.count(standings.rows.size)} racers</span>
          <span>race ${standings.raceId}, since ${format.time(standings.startedAt)}</span>
        </p>
      </div>
    </div>`
}

function Pause({ next, last }) {
  const text = last === null ? 'No race has been ridden yet.' : 'No race is running.'
  return html`
    <div class="clock">
      <p class="left">${text}</p>
      ${next && html`<p class="faint">Going by the last ones, the next one starts at ${format.time(next)}.</p>`}
    </div>`
}
