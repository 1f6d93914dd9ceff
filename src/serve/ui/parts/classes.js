// Which class is shown: a link each.

import { html } from '../html.js'
import { objects } from '../session.js'

/** The classes that there are, ascending, for who reads them with `page`: those of the token, where it is for some. */
export async function classList(page) {
  const own = objects()
  if (own !== null) return own.classes
  return (await page.read('/v1/classes')).map(({ classId }) => classId)
}

/** The class that a URL's parameters name; where they name none, the first that there is to see. */
export function chosenClass(params) {
  const id = Number(params.get('class'))
  return Number.isInteger(id) && id > 0 ? id : objects()?.classes[0] ?? 1
}

/** `classes`: their ids; `chosen`: one of them; `url(classId)`: where it is shown. */
export function Classes({ classes, chosen, url }) {
  const ids = [...new Set([...classes, chosen])].sort((a, b) => a - b)
  return html`
    <nav class="classes" aria-label="Class">
      <span class="faint" aria-hidden="true">Class</span>
      ${ids.map((id) => html`
        <a key=${id} href=${url(id)} aria-current=${id === chosen ? 'page' : undefined}>
          <span class="unseen">Class </span>${id}
        </a>`)}
    </nav>`
}
