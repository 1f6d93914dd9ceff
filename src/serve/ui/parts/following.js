// The racer who is followed: rank, gaps, records, and the curve against the ghost's.

import * as format from '../format.js'
import { html } from '../html.js'
import { place } from '../ranking.js'
import { Chart } from './chart.js'

/**
 * `racerId` or null; `rows`, the ranked standings; `record`, the racer's record at each second, and `best`, that of
 * the class, null until they are known.
 */
export function Following({ racerId, classId, standings, rows, record, best, onFollow }) {
  if (racerId === null) {
    return html`
      <div class="card-head"><h2 tabindex="-1">Following</h2></div>
      <p class="hint">Choose a racer on a board: you see the gap to the next one, every new record, and the race
        against their own ghost.</p>
      <${Curves} now=${[]} record=${null} best=${best} name="" />`
  }
  const at = place(rows, racerId)
  const curve = standings.curves.get(racerId) ?? []
  const now = Array.from(curve.slice(1), (value) => value ?? null)
  const name = format.racer(at?.row ?? { racerId })
  const records = now.filter((value, i) => isRecord(value, record, i + 1)).length
  return html`
    <div class="card-head">
      <h2 tabindex="-1"><a href="/racer?id=${racerId}&class=${classId}">${name}</a></h2>
      <button type="button" class="quiet" onClick=${() => onFollow(null)}>Unfollow</button>
    </div>
    ${at === null ? html`<p class="hint">Does not ride in this race.</p>` : html`
      <dl class="figures">
        <div><dt>Rank</dt><dd>${at.row.rank}<small> of ${format.count(rows.length)}</small></dd></div>
        <div><dt>Output</dt><dd>${format.output(at.row.output)}
          ${isRecord(at.row.output, record, at.row.second) && html`
            <img class="trophy" src="/ui/trophy.svg" alt="New record at this second" />`}</dd></div>
        <div><dt>${at.ahead ? html`To ${format.racer(at.ahead)}` : 'Leads by'}</dt>
          <dd>${at.ahead ? `+${format.output(at.gap)}` : format.output(at.lead)}</dd></div>
        <div><dt>Own record here</dt><dd>${format.output(record?.[at.row.second - 1])}</dd></div>
        <div><dt>New records</dt><dd>${format.count(records)}</dd></div>
      </dl>`}
    <${Curves} now=${now} record=${record} best=${best} name=${name} />`
}

/** Whether an output beats what the racer had at that second. */
function isRecord(output, record, second) {
  return output !== null && record !== null && output > (record[second - 1] ?? -Infinity)
}

function Curves({ now, record, best, name }) {
  if (!best?.length) return null
  const curves = [
    { name: 'Class best', colour: 'best', outputs: best },
    { name: 'Own record', colour: 'ghost', dash: [6, 4], width: 2, outputs: record ?? [] },
    { name: 'This race', colour: 'accent', width: 2.5, outputs: now },
  ]
  const shown = name === '' ? curves.slice(0, 1) : curves
  const label = name === '' ? 'Best output of the class at each second'
    : `Output of ${name} in this race, their own record and the best of the class at each second`
  return html`<${Chart} label=${label} curves=${shown} seconds=${best.length} height=${240} />`
}
