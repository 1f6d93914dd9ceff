// A table of rows that were read from the API.

import * as format from '../format.js'
import { html } from '../html.js'

/** Returns the columns of a ranking in a class: rank, and the racer's name as a link. */
export function rankColumns(classId) {
  const rank = ({ rank }) => html`<span class="rank rank-${rank}">${rank ?? format.NONE}</span>`
  const racer = (row) => html`
    <a class="racer-name" href="/racer?id=${row.racerId}&class=${classId}" title=${format.racer(row)}>
      ${format.racer(row)}
    </a>`
  return [{ name: 'Rank', cell: rank }, { name: 'Racer', cell: racer }]
}

/**
 * `rows`, each with a `racerId`, or undefined until they are loaded; `columns`, each with `name`,
 * `cell(row)`, `isNumber`, and if it is sortable, `onSort` and `isSorted`; `followed`: a racer whose row
 * is highlighted, or null.
 */
export function Table({ label, rows, columns, followed = null, empty, rowKey = (row) => row.racerId }) {
  if (rows === undefined || rows === null) return html`<p class="hint" aria-busy="true">Loading…</p>`
  if (rows.length === 0) return html`<p class="hint">${empty}</p>`
  const head = ({ name, isNumber, onSort, isSorted }) => html`
    <th key=${name} scope="col" class=${isNumber ? 'number' : ''} aria-sort=${isSorted ? 'descending' : undefined}>
      ${onSort ? html`<button type="button" onClick=${onSort}>${name}</button>` : name}
    </th>`
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table aria-label=${label}>
        <thead><tr>${columns.map(head)}</tr></thead>
        <tbody>
          ${rows.map((row) => html`
            <tr key=${rowKey(row)} class=${followed !== null && row.racerId === followed ? 'followed' : ''}>
              ${columns.map(({ name, cell, isNumber }) => html`
                <td key=${name} class=${isNumber ? 'number' : ''}>${cell(row)}</td>`)}
            </tr>`)}
        </tbody>
      </table>
    </div>`
}
