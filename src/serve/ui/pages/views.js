// View counters, live: an odometer a project.

import * as format from '../format.js'
import { html } from '../html.js'
import { Views as ViewsModel } from '../models.js'
import { Page, TOPICS_MAX } from '../page.js'
import { Odometer } from '../parts/odometer.js'
import { objects } from '../session.js'

/** So many projects are shown at once; others are found by their name. */
const SHOWN = 24

export class Views extends Page {
  constructor(props) {
    super(props)
    this.views = new ViewsModel()
    this.find = ''
  }

  componentDidMount() {
    const own = objects()?.projects
    const topics = own?.slice(0, TOPICS_MAX).map((id) => `views:${escaped(id)}`) ?? ['views:*']
    this.unseen = Math.max(0, (own?.length ?? 0) - TOPICS_MAX)
    // A snapshot of one project is not one of all.
    const take = (frame, isSnapshot) => this.views.take(frame, isSnapshot && own === undefined)
    if (topics.length > 0) return this.follow(Object.fromEntries(topics.map((topic) => [topic, { take }])))
    this.props.tell('idle')
    this.props.tell('failed', new Error('the token is for no project'))
  }

  render() {
    const all = this.views.byViews()
    const wanted = this.find.trim().toLowerCase()
    const found = all.filter(({ projectId }) => projectId.toLowerCase().includes(wanted))
    const sum = (name) => all.reduce((total, row) => total + row[name], 0)
    return html`
      <div class="views">
        <div class="race-title">
          <h1 tabindex="-1">Views</h1>
          <input type="search" aria-label="Find a project" placeholder="Find a project" value=${this.find}
                 onInput=${(event) => { this.find = event.target.value; this.forceUpdate() }} />
        </div>
        ${this.asOf === undefined ? html`<p class="hint">Nothing to see yet.</p>` : html`
          <section class="card total">
            <h2>${format.count(all.length)} projects</h2>
            <p class="great"><${Odometer} value=${sum('views')} label="views" /> <span class="faint">views</span></p>
            <p class="faint">${format.duration(sum('durationMs'))} watched</p>
          </section>
          ${found.length === 0 && html`
            <p class="hint">${all.length === 0 ? 'Nothing has been viewed yet.' : 'No project is called so.'}</p>`}
          <ul class="projects">
            ${found.slice(0, SHOWN).map((row) => html`
              <li class="card" key=${row.projectId}>
                <h2 title=${row.projectId}>${row.projectId}</h2>
                <p class="great"><${Odometer} value=${row.views} label="views" /> <span class="faint">views</span></p>
                <p class="faint">${format.duration(row.durationMs)} watched</p>
              </li>`)}
          </ul>
          ${this.unseen > 0 && html`<p class="hint">The token is for ${format.count(this.unseen)} more.</p>`}
          ${found.length > SHOWN && html`
            <p class="hint">
              The ${SHOWN} most viewed of ${format.count(found.length)}; find others by their name.
            </p>`}`}
      </div>`
  }
}

/** A project's id as a part of a topic's name. */
function escaped(id) {
  if (id === '*') return '%2A'
  return id.replaceAll('%', '%25').replaceAll(',', '%2C')
}
