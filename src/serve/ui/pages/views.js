// Live view counters: an odometer per project.

import * as format from '../format.js'
import { html } from '../html.js'
import { Views as ViewsModel } from '../models.js'
import { Page, TOPICS_MAX } from '../page.js'
import { Odometer } from '../parts/odometer.js'
import { objects } from '../session.js'

/** Maximum number of projects on the page; the search finds the others. */
const PROJECTS_MAX = 24

export class Views extends Page {
  constructor(props) {
    super(props)
    this.views = new ViewsModel()
    this.search = ''
  }

  componentDidMount() {
    const permitted = objects()?.projects
    const topics = permitted?.slice(0, TOPICS_MAX).map((id) => `views:${escaped(id)}`) ?? ['views:*']
    this.omitted = Math.max(0, (permitted?.length ?? 0) - TOPICS_MAX)
    // A snapshot of one project must not remove the other projects.
    const apply = (frame, isSnapshot) => this.views.apply(frame, isSnapshot && permitted === undefined)
    if (topics.length > 0) return this.follow(Object.fromEntries(topics.map((topic) => [topic, { apply }])))
    this.props.onState('idle')
    this.props.onState('failed', new Error('the token permits no project'))
  }

  render() {
    const all = this.views.byViews()
    const pattern = this.search.trim().toLowerCase()
    const matching = all.filter(({ projectId }) => projectId.toLowerCase().includes(pattern))
    const sum = (name) => all.reduce((total, row) => total + row[name], 0)
    return html`
      <div class="views">
        <div class="race-title">
          <h1 tabindex="-1">Views</h1>
          <input type="search" aria-label="Find a project" placeholder="Find a project" value=${this.search}
                 onInput=${(event) => { this.search = event.target.value; this.forceUpdate() }} />
        </div>
        ${this.asOf === undefined ? html`<p class="hint">No data yet.</p>` : html`
          <section class="card total">
            <h2>${format.count(all.length)} projects</h2>
            <p class="great"><${Odometer} value=${sum('views')} label="views" /> <span class="faint">views</span></p>
            <p class="faint">${format.duration(sum('durationMs'))} watched</p>
          </section>
          ${matching.length === 0 && html`
            <p class="hint">${all.length === 0 ? 'No views yet.' : 'No matching project.'}</p>`}
          <ul class="projects">
            ${matching.slice(0, PROJECTS_MAX).map((row) => html`
              <li class="card" key=${row.projectId}>
                <h2 title=${row.projectId}>${row.projectId}</h2>
                <p class="great"><${Odometer} value=${row.views} label="views" /> <span class="faint">views</span></p>
                <p class="faint">${format.duration(row.durationMs)} watched</p>
              </li>`)}
          </ul>
          ${this.omitted > 0 && html`
            <p class="hint">The token permits ${format.count(this.omitted)} more, which this page does not show.</p>`}
          ${matching.length > PROJECTS_MAX && html`
            <p class="hint">
              The ${PROJECTS_MAX} most viewed of ${format.count(matching.length)}. Use the search to find others.
            </p>`}`}
      </div>`
  }
}

/** Escapes a project's id for a topic's name. */
function escaped(id) {
  if (id === '*') return '%2A'
  return id.replaceAll('%', '%25').replaceAll(',', '%2C')
}
