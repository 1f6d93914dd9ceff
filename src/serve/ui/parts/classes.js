// The choice of the class: a link per class.

import { html } from '../html.js'
import { objects } from '../session.js'

/** Returns the ids of all classes, ascending, or of the classes that the token is limited to. `page` does the reads. */
export async function classList(page) {
  const permitted = objects()
  if (permitted !== null) return permitted.classes
  return (await page.read('/v1/classes')).map(({ classId }) => classId)
}

/** Returns the class in a URL's parameters, or the first permitted class. */
export function chosenClass(params) {
  const id = Number(params.get('class'))
  return Number.isInteger(id) && id > 0 ? id : objects()?.classes[0] ?? 1
}

/** `classes`: class ids; `chosen`: one of them; `url(classId)`: the address that shows a class. */
export function Classes({ classes, chosen, url }) {
  const ids = [...new Set([...classes, chosen])].sort((a, b) => a - b)
  return html`
    <nav class="classes" aria-label="Class">
      <span class="faint" aria-hidden="true">Class</span>
      ${ids.map((id) => html`
        <a key=${id} href=${url(id)} aria-current=${id === chosen ? 'page' : undefined}>
          <span class="visually-hidden">Class </span>${id}
        </a>`)}
    </nav>`
}
