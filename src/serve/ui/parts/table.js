// A table of what was read.

import { html } from '../html.js'

/**
 * `rows`, each with a `racerId`, or undefined until they are known; `columns` of `name`, `cell(row)`, `isNumber`, and
 * `onSort` and `isSorted` where the table can be sorted by it; `followed`: a racer whose row stands out, or null.
 */
export function Table({ label, rows, columns, followed = null, empty, keyed = (row) => row.racerId }) {
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
            <tr key=${keyed(row)} class=${followed !== null && row.racerId === followed ? 'followed' : ''}>
              ${columns.map(({ name, cell, isNumber }) => html`
                <td key=${name} class=${isNumber ? 'number' : ''}>${cell(row)}</td>`)}
            </tr>`)}
        </tbody>
      </table>
    </div>`
}
