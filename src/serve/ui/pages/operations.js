// How the service does.

import * as format from '../format.js'
import { html } from '../html.js'
import { Stats } from '../models.js'
import { Page } from '../page.js'
import { Sparkline } from '../parts/sparkline.js'
import { token } from '../session.js'

const READ_EVERY_MS = 5_000
/** So much of an identity as nobody takes for another. */
const NAME_DIGITS = 12

export class Operations extends Page {
  constructor(props) {
    super(props)
    this.stats = new Stats()
    /** How many records there were at each reading. */
    this.records = []
  }

  componentDidMount() {
    this.follow({ stats: this.stats })
    this.readOften()
  }

  componentWillUnmount() {
    super.componentWillUnmount()
    clearTimeout(this.reading)
  }

  readOften() {
    this.load('classes', () => this.read('/v1/classes'), (classes) => {
      this.classes = classes
      this.records.push(classes.reduce((sum, { records }) => sum + records, 0))
      if (this.records.length > Stats.SECONDS) this.records.shift()
    })
    this.load('ready', () => ready(this.reads.signal), (answer) => { this.ready = answer })
    this.reading = setTimeout(() => this.readOften(), READ_EVERY_MS)
  }

  render() {
    const { seconds } = this.stats
    const now = seconds.at(-1)
    return html`
      <div class="operations">
        <div class="race-title"><h1 tabindex="-1">Operations</h1>${this.readiness()}</div>
        ${now === undefined ? html`<p class="hint" aria-busy="true">Loading…</p>` : this.figures(seconds, now)}
      </div>`
  }

  figures(seconds, now) {
    const series = (name) => seconds.map((second) => second[name] ?? null)
    const tile = (name, of, show, note) => html`
      <${Sparkline} name=${name} figure=${show(now[of])} values=${series(of)} note=${note} />`
    const processes = `in ${format.count(now.processes)} ${now.processes === 1 ? 'process' : 'processes'}`
    return html`
      <div class="tiles">
        ${tile('Events a second', 'eventsPerSecond', format.count)}
        ${tile('Acknowledged in', 'ackP50Ms', format.milliseconds, `p99 ${format.milliseconds(now.ackP99Ms)}`)}
        ${tile('Frontier lag', 'lagMs', format.milliseconds, 'from an event to all that follows from it')}
        ${this.recordsTile()}
        ${tile('Memory', 'residentBytes', format.bytes)}
        ${tile('Streams', 'streams', format.count, 'clients that follow something')}
        ${tile('Workers', 'workers', format.count, processes)}
      </div>
      ${rules(now)}
      ${token() === null && html`
        <p class="hint">The last two minutes; the text for machines is at
          ${' '}<a href="/metrics" target="_blank">/metrics</a>, every call at
          ${' '}<a href="/openapi.json" target="_blank">/openapi.json</a>.</p>`}`
  }

  recordsTile() {
    const [last, classes] = [this.records.at(-1), this.classes ?? []]
    const racers = classes.reduce((sum, row) => sum + row.racers, 0)
    const note = `of ${format.count(racers)} racers in ${format.count(classes.length)} classes`
    const figure = last === undefined ? format.NONE : format.count(last)
    return html`<${Sparkline} name="Records" figure=${figure} values=${this.records} note=${note} />`
  }

  readiness() {
    if (this.ready === undefined) return null
    const { ready, reasons, notes } = this.ready
    return html`
      <div class="readiness">
        <p class="state ${ready ? 'live' : 'stale'}">${ready ? 'Ready' : 'Not ready'}</p>
        ${[...reasons, ...notes].map((text) => html`<p key=${text}>${text}</p>`)}
      </div>`
  }
}

/** Which rules hold, and how far the way to others is. */
function rules({ rulesId, rebuild }) {
  const name = (id) => html`<code title=${id}>${id.slice(0, NAME_DIGITS)}</code>`
  return html`
    <p class="hint">
      Rules ${name(rulesId)} hold.
      ${rebuild !== null && rebuild.error === null && html`
        ${' '}Replaying under ${name(rebuild.rulesId)}: ${format.share(rebuild.share)},
        ${' '}${format.count(rebuild.events)} events.`}
      ${rebuild !== null && rebuild.error !== null && html`
        ${' '}The replay under ${name(rebuild.rulesId)} failed: ${rebuild.error}`}
    </p>`
}

/** What `/readyz` says, which it does with status 503 too. */
async function ready(signal) {
  const away = { ready: false, reasons: ['the service cannot be reached'], notes: [] }
  return fetch('/readyz', { signal }).then((answer) => answer.json()).catch(() => away)
}
