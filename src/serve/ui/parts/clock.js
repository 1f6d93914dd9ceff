// The progress of a race, or the time until the next one.

import * as format from '../format.js'
import { html } from '../html.js'

/**
 * `second`: the second that the race has reached, of `raceSeconds`, or null if unknown; `now`: the
 * service's time, once known.
 */
export function Clock({ standings, second, raceSeconds, races, now }) {
  if (now === undefined) return html`<p class="clock faint">Waiting for the service…</p>`
  if (standings.raceId === null) {
    return html`<${NoRace} nextStart=${races.predictNextStart(now)} last=${races.lastFinished()} />`
  }
  const left = raceSeconds && second && Math.max(0, raceSeconds - second)
  return html`
    <div class="clock">
      <p class="left"><strong>${left === null ? format.NONE : format.seconds(left)}</strong> left</p>
      <div class="progress">
        <progress max=${raceSeconds ?? 1} value=${second ?? 0} aria-label="Progress of the race"></progress>
        <p class="faint">
          <span>second <b>${second ?? format.NONE}</b>${raceSeconds && ` of ${raceSeconds}`}</span>
          <span>${format.count(standings.rows.size)} racers</span>
          <span>race ${standings.raceId}, started ${format.time(standings.startedAt)}</span>
        </p>
      </div>
    </div>`
}

function NoRace({ nextStart, last }) {
  const text = last === null ? 'No race yet.' : 'No race is running.'
  return html`
    <div class="clock">
      <p class="left">${text}</p>
      ${nextStart && html`<p class="faint">The next race should start at ${format.time(nextStart)}.</p>`}
    </div>`
}
