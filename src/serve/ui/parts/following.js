// The followed racer: rank, gaps, records, and the curve compared with the ghost's.

import * as format from '../format.js'
import { html } from '../html.js'
import { neighbours } from '../ranking.js'
import { Chart } from './chart.js'

/**
 * `racerId` or null; `rows`: the ranked standings; `record` and `best`: the records of the racer and of the class at
 * each second, null until they are loaded.
 */
export function Following({ racerId, classId, standings, rows, record, best, onFollow }) {
  if (racerId === null) {
    return html`
      <div class="card-head"><h2 tabindex="-1">Following</h2></div>
      <p class="hint">Select a racer to see their gaps, their new records, and their race against their own ghost.</p>
      <${Curves} now=${[]} record=${null} best=${best} name="" />`
  }
  const at = neighbours(rows, racerId)
  const curve = standings.curves.get(racerId) ?? []
  const now = Array.from(curve.slice(1), (value) => value ?? null)
  const name = format.racer(at?.row ?? { racerId })
  const records = now.filter((value, i) => isRecord(value, record, i + 1)).length
  return html`
    <div class="card-head">
      <h2 tabindex="-1"><a href="/racer?id=${racerId}&class=${classId}">${name}</a></h2>
      <button type="button" class="quiet" onClick=${() => onFollow(null)}>Unfollow</button>
    </div>
    ${at === null ? html`<p class="hint">Not in this race.</p>` : html`
      <dl class="figures">
        <div><dt>Rank</dt><dd>${at.row.rank}<small> of ${format.count(rows.length)}</small></dd></div>
        <div><dt>Output</dt><dd>${format.output(at.row.output)}
          ${isRecord(at.row.output, record, at.row.second) && html`
            <img class="trophy" src="/ui/trophy.svg" alt="New record at this second" />`}</dd></div>
        <div><dt>${at.ahead ? html`Gap to ${format.racer(at.ahead)}` : 'Leads by'}</dt>
          <dd>${at.ahead ? `+${format.output(at.gap)}` : format.output(at.lead)}</dd></div>
        <div><dt>Record at this second</dt><dd>${format.output(record?.[at.row.second - 1])}</dd></div>
        <div><dt>New records</dt><dd>${format.count(records)}</dd></div>
      </dl>`}
    <${Curves} now=${now} record=${record} best=${best} name=${name} />`
}

/** Returns whether an output beats the racer's record at that second. */
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
